"""Callers known by their certificates: a real handshake, chains made by openssl, and what the Service is told."""

import base64
import json
import socket
import ssl
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway
from tests.support.openssl import FOR_CLIENTS, OF_AUTHORITIES, Files, issued, openssl, root, together
from tests.support.ports import free_ports
from tests.support.upstreams import Upstream, service_of, upstreams

pytestmark = pytest.mark.envoy

ROOT_ID = "7f3a2c9e-5b1d-4e8f-9a60-2d4c8b7e1f35"
OTHER_ID = "0c1b7d2e-9f4a-4b53-8d7c-6e5f4a3b2c1d"
NOT_SENT = "No required TLS certificate was sent"
FAILED = "TLS certificate failed verification"
CLASS = "kubernetes.io/ingress.class: kong"
TOLD = (
    "x-consumer-username",
    "x-credential-identifier",
    "x-anonymous-consumer",
    "x-client-cert-dn",
    "x-client-cert-san",
    "x-authenticated-groups",
    "x-forwarded-client-cert",
)


class Answer(NamedTuple):
    status: int
    message: str


class Scene(NamedTuple):
    gateway: RunningGateway
    upstream: Upstream
    plain: int
    secure: int
    clients: dict[str, Files]

    def ask(
        self, path: str, client: str | None = None, *, host: str = "gw.test", plain: bool = False, options: str = ""
    ) -> Answer:
        """`host` "" connects to an address, so that no server name is sent."""
        port = self.plain if plain else self.secure
        place = f"{host}:{port}" if host else f"127.0.0.1:{port}"
        command = ["curl", "-sk", "-m", "10", "-w", "\n%{http_code}", f"{'http' if plain else 'https'}://{place}{path}"]
        command += ["--connect-to", f"{host}:{port}:127.0.0.1:{port}"] if host else []
        if client is not None:
            command += ["--cert", str(self.clients[client].certificate), "--key", str(self.clients[client].key)]
        done = subprocess.run([*command, *options.split()], capture_output=True, text=True, check=True)
        body, _, status = done.stdout.rpartition("\n")
        return Answer(int(status), json.loads(body)["message"] if body.startswith("{") else body)

    def told(self) -> dict[str, str]:
        """What the Service was told of the last caller."""
        _, headers = self.upstream.seen[-1]
        return {name: headers[name] for name in TOLD if name in headers}


def authority(name: str, identity: str, files: Files) -> str:
    pem = textwrap.indent(files.pem, "    ")
    labels = 'labels: {konghq.com/ca-cert: "true"}'
    head = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, {labels}, annotations: {{{CLASS}}}}}\n"
    return f"{head}stringData:\n  id: {identity}\n  cert: |\n{pem}---\n"


def plugin(name: str, **config: object) -> str:
    config = {"ca_certificates": [ROOT_ID], "revocation_check_mode": "SKIP"} | config
    head = f"apiVersion: configuration.konghq.com/v1\nkind: KongPlugin\nmetadata: {{name: {name}}}\n"
    return f"{head}plugin: mtls-auth\nconfig: {json.dumps(config)}\n---\n"


def consumer(name: str, **credential: str) -> str:
    meta = f"metadata: {{name: {name}, annotations: {{{CLASS}}}}}"
    head = f"apiVersion: configuration.konghq.com/v1\nkind: KongConsumer\n{meta}\n"
    text = f"{head}username: {name}\n"
    if not credential:
        return f"{text}---\n"
    data = "".join(f"  {key}: {base64.b64encode(value.encode()).decode()}\n" for key, value in credential.items())
    labels = "labels: {konghq.com/credential: mtls-auth}"
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-cert, {labels}}}\ndata:\n{data}"
    return f"{text}credentials: [{name}-cert]\n---\n{secret}---\n"


ACL = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: ann-only}
plugin: acl
config: {allow: [ann]}
---
"""


def guarded(path: str, plugins: str, more: str = "") -> str:
    return ingress(path.strip("/"), path, "web", f'konghq.com/plugins: "{plugins}"{more}')


def made_clients(folder: Path, one: Files, other: Files) -> dict[str, Files]:
    sub = issued(folder, "sub", one, name="sub", extensions=OF_AUTHORITIES)
    deep = issued(folder, "deep", sub)
    names = f"{FOR_CLIENTS}\nsubjectAltName=DNS:bob.test,email:bob@mail.test,IP:127.0.0.9"
    return {
        "good": issued(folder, "good", one),
        "old": issued(folder, "old", one, extensions=None),
        "named": issued(folder, "named", one, name="somebody", extensions=names),
        "unknown": issued(folder, "unknown", one, name="nobody-knows"),
        "stranger": issued(folder, "stranger", other),
        "expired": issued(folder, "expired", one, days=-1),
        "for servers": issued(folder, "servers", one, extensions="extendedKeyUsage=serverAuth"),
        "intermediate not sent": deep,
        "intermediate sent": together(folder, "chain", deep, sub),
        "long": together(folder, "long", deep, sub, *[other] * 20),
    }


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, keys = tmp_path_factory.mktemp("manifests"), tmp_path_factory.mktemp("keys")
    one, other = root(keys, "root"), root(keys, "other")
    with upstreams("web") as (upstream,):
        plain, secure = free_ports(2)
        (folder / "all.yaml").write_text(
            service_of("web", [upstream.port])
            + authority("root", ROOT_ID, one)
            + authority("other", OTHER_ID, other)
            + plugin("known")
            + plugin("anybody", skip_consumer_lookup=True)
            + plugin("or-nobody", anonymous="nobody")
            + plugin("or-default", default_consumer="someone")
            + ACL
            + consumer("ann")
            + consumer("bob", subject_name="bob@mail.test", ca_certificate=ROOT_ID)
            + consumer("mallory", subject_name="bob.test", ca_certificate=OTHER_ID)
            + consumer("nobody")
            + consumer("someone")
            + guarded("/known", "known")
            + guarded("/anybody", "anybody")
            + guarded("/group", "anybody, ann-only")
            + guarded("/or-nobody", "or-nobody")
            + guarded("/or-default", "or-default")
            + ingress("open", "/open", "web")
        )
        settings = {"KONG_PROXY_LISTEN": f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl http2"}
        with running_gateway(folder, settings=settings) as gateway:
            found = Scene(gateway, upstream, plain, secure, made_clients(keys, one, other))
            eventually(lambda: found.ask("/open").status == 200, seen=gateway.lines)
            yield found


@pytest.mark.parametrize(
    ("path", "client", "status", "message", "username"),
    [
        ("/known", "good", 200, "web", "ann"),
        ("/known", "old", 200, "web", "ann"),
        ("/known", "named", 200, "web", "bob"),
        ("/known", "intermediate sent", 200, "web", "ann"),
        ("/known", "intermediate not sent", 401, FAILED, None),
        ("/known", "long", 401, FAILED, None),
        ("/known", "stranger", 401, FAILED, None),
        ("/known", "expired", 401, FAILED, None),
        ("/known", "for servers", 401, FAILED, None),
        ("/known", "unknown", 401, FAILED, None),
        ("/known", None, 401, NOT_SENT, None),
        ("/or-default", "unknown", 200, "web", "someone"),
        ("/or-default", "stranger", 401, FAILED, None),
        ("/or-nobody", "good", 200, "web", "ann"),
        ("/or-nobody", "stranger", 200, "web", "nobody"),
        ("/or-nobody", None, 200, "web", "nobody"),
        ("/group", "good", 200, "web", None),
        ("/group", "unknown", 403, "You cannot consume this service", None),
        ("/open", "stranger", 200, "web", None),
    ],
)
@pytest.mark.parametrize("options", ["--http1.1", "--http2"])
def test_who_is_known(
    path: str, client: str | None, status: int, message: str, username: str | None, options: str, scene: Scene
) -> None:
    assert scene.ask(path, client, options=options) == (status, message)
    if status == 200:
        assert scene.told().get("x-consumer-username") == username


def test_a_connection_without_a_server_name_is_asked_too(scene: Scene) -> None:
    assert scene.ask("/known", "good", host="").status == 200
    assert scene.ask("/known", host="") == (401, NOT_SENT)


def test_plain_http_has_no_certificates(scene: Scene) -> None:
    assert scene.ask("/known", plain=True) == (401, NOT_SENT)
    assert scene.ask("/or-nobody", plain=True).status == 200


def test_whoever_is_certified_is_told_of(scene: Scene) -> None:
    assert scene.ask("/anybody", "named").status == 200
    assert scene.told() == {
        "x-client-cert-dn": "CN=somebody,O=Example\\, Ltd.",
        "x-client-cert-san": "bob.test,bob@mail.test,127.0.0.9",
    }
    assert scene.ask("/group", "good").status == 200
    told = {"x-client-cert-dn": "CN=ann,O=Example\\, Ltd.", "x-authenticated-groups": "ann"}
    assert scene.told() == told


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("client", [None, "stranger", "good"])
@pytest.mark.parametrize("path", ["/known", "/anybody", "/or-nobody", "/open"])
def test_a_client_s_own_word_is_nothing(path: str, client: str | None, plain: bool, scene: Scene) -> None:
    chain = scene.clients["good"].pem.replace("\n", "%0A").replace(" ", "%20").replace("+", "%2B").replace("/", "%2F")
    forged = f'Hash=00;Chain="{chain.replace("=", "%3D")}"'
    names = ("X-Forwarded-Client-Cert", "X-Client-Cert-Dn", "X-Client-Cert-San", "X_Client_Cert_Dn")
    options = " ".join(f"-H {name}:{forged}" for name in names)
    before = len(scene.upstream.seen)
    answer = scene.ask(path, None if plain else client, plain=plain, options=options)
    is_good = client == "good" and not plain
    assert answer.status == (200 if is_good or path in ("/or-nobody", "/open") else 401)
    if answer.status == 200:
        _, headers = scene.upstream.seen[-1]
        assert not any("Chain" in value or "CERTIFICATE" in value for value in headers.values())
        assert "x-forwarded-client-cert" not in headers
    else:
        assert len(scene.upstream.seen) == before


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(("client", "status"), [("good", 200), ("stranger", 401), (None, 401)])
def test_a_resumed_session_is_nobody_else_s(
    version: ssl.TLSVersion, client: str | None, status: int, scene: Scene
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if client is not None:
        context.load_cert_chain(*scene.clients[client])
    session: ssl.SSLSession | None = None
    for is_resumed in (False, True):
        with (
            socket.create_connection(("127.0.0.1", scene.secure), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="gw.test", session=session) as connection,
        ):
            connection.sendall(b"GET /known HTTP/1.1\r\nHost: gw.test\r\n\r\n")
            assert connection.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())
            assert connection.session_reused is is_resumed
            session = connection.session


def asked(port: int, server_name: str | None) -> str | None:
    """Whose certificates the client is told to show: "" for anybody's, None where it is not asked."""
    option = f"-servername {server_name}" if server_name else "-noservername"
    shown = openssl(f"s_client -connect 127.0.0.1:{port} {option}")
    if "Requested Signature Algorithms" not in shown:
        return None
    _, found, rest = shown.partition("Acceptable client certificate CA names\n")
    return rest.split("\n", 1)[0] if found else ""


def test_only_the_names_of_guarded_routes_are_asked(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    files = root(tmp_path, "root")
    plain, secure = free_ports(2)
    settings = {"KONG_PROXY_LISTEN": f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl http2"}
    names = ', konghq.com/snis: "{}"'
    with upstreams("web") as (upstream,):
        shared = service_of("web", [upstream.port]) + authority("root", ROOT_ID, files)
        shared += plugin("known", consumer_by=[], default_consumer="ann") + plugin("told", send_ca_dn=True)
        named = guarded("/known", "known", names.format("a.test")) + guarded("/told", "told", names.format("b.test"))
        (folder / "all.yaml").write_text(shared + consumer("ann") + ingress("open", "/open", "web") + named)
        with running_gateway(folder, settings=settings) as gateway:
            clients = {"good": issued(tmp_path, "good", files)}
            scene = Scene(gateway, upstream, plain, secure, clients)
            eventually(lambda: scene.ask("/known", "good", host="a.test").status == 200)
            told = 'O = "Example, Ltd.", CN = root'
            assert [asked(secure, name) for name in ("a.test", "b.test", "c.test", None)] == ["", told, None, None]
            # The name of another connection does not do.
            assert scene.ask("/known", "good", host="c.test").status == 404
            (folder / "all.yaml").write_text(shared + consumer("ann") + named + guarded("/all", "told"))
            eventually(lambda: asked(secure, "c.test") == told)
            assert [asked(secure, name) for name in ("a.test", "b.test", None)] == ["", told, told]


def test_an_authority_that_goes_takes_its_clients_along(tmp_path: Path) -> None:
    """Also on connections that are open, and whatever was found out before."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    one, other = root(tmp_path, "root"), root(tmp_path, "other")
    clients = {"of one": issued(tmp_path, "one", one), "of other": issued(tmp_path, "two", other)}
    plain, secure = free_ports(2)
    settings = {"KONG_PROXY_LISTEN": f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl"}
    with upstreams("web") as (upstream,):
        shared = service_of("web", [upstream.port]) + plugin("known") + consumer("ann") + guarded("/known", "known")
        (folder / "all.yaml").write_text(shared + authority("root", ROOT_ID, one))
        with running_gateway(folder, settings=settings) as gateway:
            scene = Scene(gateway, upstream, plain, secure, clients)
            eventually(lambda: scene.ask("/known", "of one").status == 200, seen=gateway.lines)
            assert scene.ask("/known", "of other").status == 401
            with kept(secure, clients["of one"]) as connection:
                assert status_on(connection) == 200
                (folder / "all.yaml").write_text(shared + authority("root", ROOT_ID, other))
                eventually(lambda: status_on(connection) == 401)
            assert scene.ask("/known", "of other").status == 200
            assert scene.ask("/known", "of one") == (401, FAILED)
            (folder / "all.yaml").write_text(shared)
            eventually(lambda: scene.ask("/known", "of other").status == 503)


def kept(port: int, client: Files) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(*client)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10))


def status_on(connection: ssl.SSLSocket) -> int:
    connection.sendall(b"GET /known HTTP/1.1\r\nHost: gw.test\r\n\r\n")
    return int(connection.recv(65536).split(b" ", 2)[1])
