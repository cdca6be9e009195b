"""TLS from the gateway to a Service: the name that is asked for, whom it trusts, what it shows."""

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.gateway import eventually, ingress, running_gateway
from tests.support.tls import Pair, issue
from tests.support.upstreams import Upstream, service_of, upstreams

pytestmark = pytest.mark.envoy

AUTHORITY = issue("authority")
WEB = issue("web", AUTHORITY, hosts=("web.test", "client.test"))
CLIENT = issue("gateway", AUTHORITY)


@contextmanager
def tls_upstream(folder: Path, pair: Pair = WEB, *, wants_client: bool = False) -> Iterator[tuple[Upstream, list[str]]]:
    """Notes the server names that clients ask for."""
    names: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key, authority = folder / "web.crt", folder / "web.key", folder / "authority.crt"
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.key_pem)
    authority.write_bytes(AUTHORITY.certificate_pem)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _, name, __: names.append(name or "")
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority)
    with upstreams("web") as (one,):
        one.server.socket = context.wrap_socket(one.server.socket, server_side=True)
        yield one, names


def secret(name: str, **data: bytes) -> str:
    lines = "".join(f"  {key.replace('_', '.')}: {base64.b64encode(value).decode()}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ndata:\n{lines}---\n"


def manifests(port: int, annotations: str, *, keeps_host: bool, objects: str = "") -> str:
    routes = f"konghq.com/preserve-host: '{str(keeps_host).lower()}'"
    return (
        service_of("web", [port], f"konghq.com/protocol: https, {annotations}")
        + ingress("web", "/", "web", routes)
        + objects
    )


AUTHORITIES = secret("authority", ca_crt=AUTHORITY.certificate_pem)
OTHERS = secret("authority", cert=issue("other").certificate_pem)
VERIFY = "konghq.com/tls-verify: 'true', konghq.com/ca-certificates-secrets: authority"
NAMED = "konghq.com/host-header: web.test"


@pytest.mark.parametrize(
    ("annotations", "keeps_host", "host", "objects", "status", "name"),
    [
        pytest.param("", True, "client.test", "", 200, "client.test", id="anybody is trusted"),
        pytest.param("", False, "client.test", "", 200, "", id="an address is no name"),
        pytest.param(NAMED, False, "client.test", "", 200, "web.test", id="the host header is the name"),
        pytest.param(VERIFY, True, "client.test", AUTHORITIES, 200, "client.test", id="a name of the certificate"),
        pytest.param(VERIFY, True, "evil.test", AUTHORITIES, 502, "evil.test", id="another name"),
        pytest.param(
            f"{VERIFY}, {NAMED}", False, "evil.test", AUTHORITIES, 200, "web.test", id="the name of the Service"
        ),
        pytest.param(VERIFY, False, "client.test", AUTHORITIES, 502, "", id="nobody is certified as an address"),
        pytest.param(VERIFY, True, "client.test", OTHERS, 502, "client.test", id="another authority"),
        pytest.param(VERIFY, True, "client.test", "", 503, None, id="no authority"),
        pytest.param(
            "konghq.com/tls-verify: 'true'", True, "client.test", "", 502, "client.test", id="authorities of all"
        ),
    ],
)
def test_who_is_asked_for_and_trusted(
    annotations: str, keeps_host: bool, host: str, objects: str, status: int, name: str | None, tmp_path: Path
) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    with tls_upstream(tmp_path) as (upstream, names):
        (folder / "web.yaml").write_text(manifests(upstream.port, annotations, keeps_host=keeps_host, objects=objects))
        with running_gateway(folder) as gateway:
            eventually(lambda: gateway.get("/", {"Host": host}).status == status)
        assert set(names) == (set() if name is None else {name})


@pytest.mark.parametrize(
    ("annotations", "client_ssl", "status"),
    [
        pytest.param("konghq.com/client-cert: client", "off", 200, id="the Service's own"),
        pytest.param("", "off", 502, id="none"),
        pytest.param("", "on", 200, id="that of the settings"),
        pytest.param("konghq.com/client-cert: stranger", "on", 502, id="the Service's own goes before"),
        pytest.param("konghq.com/client-cert: missing", "on", 200, id="that of the settings for one that is missing"),
    ],
)
def test_a_client_certificate_is_shown(annotations: str, client_ssl: str, status: int, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    stranger = issue("stranger")
    objects = secret("client", tls_crt=CLIENT.certificate_pem, tls_key=CLIENT.key_pem)
    objects += secret("stranger", tls_crt=stranger.certificate_pem, tls_key=stranger.key_pem)
    settings = {
        "KONG_CLIENT_SSL": client_ssl,
        "KONG_CLIENT_SSL_CERT": CLIENT.certificate_pem.decode(),
        "KONG_CLIENT_SSL_CERT_KEY": base64.b64encode(CLIENT.key_pem).decode(),
    }
    with tls_upstream(tmp_path, wants_client=True) as (upstream, _):
        (folder / "web.yaml").write_text(manifests(upstream.port, annotations, keeps_host=True, objects=objects))
        with running_gateway(folder, settings=settings) as gateway:
            eventually(lambda: gateway.get("/").status == status)
