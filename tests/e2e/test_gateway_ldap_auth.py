"""ldap-auth with a real directory: who may come in, over which connections, and what is said when it is away."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway import Answer, RunningGateway, eventually, ingress, running_gateway, service
from tests.support.ldap_server import BASE, LdapServer, ldap_server
from tests.support.upstreams import Upstream, upstreams

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]

USERS = {"ann": "s3cret-word", "bea": "an0ther-word"}


def plugin(name: str, port: int, more: str = "") -> str:
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: {name}}}
plugin: ldap-auth
config: {{ldap_host: 127.0.0.1, ldap_port: {port}, base_dn: "{BASE}", attribute: uid, header_type: basic{more}}}
---
"""


def login(gateway: RunningGateway, path: str, username: str, password: str) -> Answer:
    shown = base64.b64encode(f"{username}:{password}".encode()).decode()
    return gateway.get(path, {"Authorization": f"Basic {shown}"})


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[LdapServer]:
    folder = tmp_path / "ldap"
    folder.mkdir()
    with ldap_server(folder, USERS) as server:
        yield server


@pytest.fixture
def web() -> Iterator[Upstream]:
    with upstreams("web") as (one,):
        yield one


def manifests(folder: Path, web: Upstream, plugins: dict[str, str]) -> Path:
    """One path for each plugin."""
    folder.mkdir()
    routes = "".join(ingress(name, f"/{name}", "web", f"konghq.com/plugins: {name}") for name in plugins)
    (folder / "all.yaml").write_text(service("web", web.port) + "".join(plugins.values()) + routes)
    return folder


def test_who_may_come_in(tmp_path: Path, directory: LdapServer, web: Upstream) -> None:
    plugins = {
        "plain": plugin("plain", directory.port, ", realm: staff"),
        "hidden": plugin("hidden", directory.port, ", hide_credentials: true, cache_ttl: 0"),
    }
    with running_gateway(manifests(tmp_path / "manifests", web, plugins)) as gateway:
        assert login(gateway, "/plain", "ann", "s3cret-word").status == 200
        _, headers = web.seen[-1]
        assert headers["x-credential-identifier"] == "ann"
        assert headers["authorization"].startswith("Basic ")
        for username, password in (
            ("ann", "wrong"),
            ("ann", ""),
            ("nobody", "s3cret-word"),
            (f"ann,{BASE}+uid=x", "s3cret-word"),
            ("", "s3cret-word"),
            ("ann\x00", "s3cret-word"),
        ):
            answer = login(gateway, "/plain", username, password)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'basic realm="staff"'), username
        assert gateway.get("/plain").status == 401
        asked = directory.binds("ann")
        assert login(gateway, "/plain", "ann", "s3cret-word").status == 200
        assert login(gateway, "/plain", "ann", "wrong").status == 401
        assert directory.binds("ann") == asked, "both were remembered"
        for _ in range(2):
            assert login(gateway, "/hidden", "bea", "an0ther-word").status == 200
        assert directory.binds("bea") == 2
        assert "authorization" not in web.seen[-1][1]
        assert directory.log().count(" ACCEPT ") < 20, "connections are kept"


def test_over_tls(tmp_path: Path, directory: LdapServer, web: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {
        "ldaps": (directory.tls_port, "ldaps: true"),
        "starttls": (directory.port, "start_tls: true"),
        "verified": (directory.port, "start_tls: true, verify_ldap_host: true"),
        "mistaken": (directory.port, "ldaps: true"),
    }
    plugins = {name: plugin(name, port, f", {more}, cache_ttl: 0") for name, (port, more) in kinds.items()}
    folder = manifests(tmp_path / "manifests", web, plugins)
    monkeypatch.setenv("SSL_CERT_FILE", str(directory.authority))
    with running_gateway(folder) as gateway:
        for name, status in (("ldaps", 200), ("starttls", 200), ("verified", 200), ("mistaken", 401)):
            assert login(gateway, f"/{name}", "ann", "s3cret-word").status == status, name
            assert login(gateway, f"/{name}", "ann", "wrong").status == 401, name
        assert directory.log().count("TLS established") >= 3
    (tmp_path / "stranger").mkdir()
    with ldap_server(tmp_path / "stranger", USERS) as stranger:
        monkeypatch.setenv("SSL_CERT_FILE", str(stranger.authority))
        with running_gateway(folder) as gateway:
            asked = directory.binds("ann")
            assert login(gateway, "/verified", "ann", "s3cret-word").status == 401
            assert directory.binds("ann") == asked, "a stranger gets no password"
            assert login(gateway, "/starttls", "ann", "s3cret-word").status == 200


def test_a_directory_that_is_away(tmp_path: Path, directory: LdapServer, web: Upstream) -> None:
    plugins = {"each": plugin("each", directory.port, ", cache_ttl: 0"), "kept": plugin("kept", directory.port)}
    with running_gateway(manifests(tmp_path / "manifests", web, plugins)) as gateway:
        for path in ("/each", "/kept"):
            assert login(gateway, path, "ann", "s3cret-word").status == 200
        directory.stop()
        away = login(gateway, "/each", "ann", "s3cret-word")
        assert (away.status, "An unexpected error occurred" in away.body) == (500, True)
        assert login(gateway, "/kept", "ann", "s3cret-word").status == 200
        directory.start()
        assert login(gateway, "/each", "ann", "s3cret-word").status == 200
        place = f"ldap-auth: 127.0.0.1:{directory.port}: "
        eventually(lambda: any(f"{place}answers again" in line for line in gateway.lines), seen=gateway.lines)
        said = "\n".join(gateway.lines)
        assert said.count(place) == 2
        assert "s3cret-word" not in said
