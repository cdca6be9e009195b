"""Certificates that may have been revoked: asked of `openssl ocsp`, and of lists that an authority publishes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.test_gateway_mtls_auth import FAILED, ROOT_ID, Scene, authority, consumer, guarded, plugin
from tests.support.gateway import eventually, ingress, running_gateway
from tests.support.openssl import FOR_CLIENTS, Files, issued, root
from tests.support.ports import free_ports
from tests.support.revocation import index, pages, responder, revoked_list
from tests.support.upstreams import service_of, upstreams

pytestmark = pytest.mark.envoy


class Ports(NamedTuple):
    own: int
    delegated: int
    strange: int
    nobody: int
    lists: int


class Authority(NamedTuple):
    scene: Scene
    asked: list[str]


def made_clients(folder: Path, one: Files, ports: Ports) -> dict[str, Files]:
    def client(name: str, *more: str) -> Files:
        return issued(folder, name.replace(" ", "-"), one, extensions="\n".join([FOR_CLIENTS, *more]))

    def asks(port: int) -> str:
        return f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}/"

    def listed(name: str) -> str:
        return f"crlDistributionPoints=URI:http://127.0.0.1:{ports.lists}/{name}"

    return {
        "names nobody": client("names nobody"),
        "good": client("good", asks(ports.own)),
        "revoked": client("revoked", asks(ports.own)),
        "unknown": client("unknown", asks(ports.own)),
        "good by delegate": client("good by delegate", asks(ports.delegated)),
        "revoked by delegate": client("revoked by delegate", asks(ports.delegated)),
        "revoked by a stranger": client("revoked by a stranger", asks(ports.strange)),
        "nobody there": client("nobody there", asks(ports.nobody)),
        "not listed": client("not listed", listed("good.crl")),
        "listed": client("listed", listed("good.crl")),
        "old list": client("old list", listed("old.crl")),
        "strange list": client("strange list", listed("strange.crl")),
        "no list": client("no list", listed("none.crl")),
        "nobody there, listed": client("nobody there, listed", asks(ports.nobody), listed("good.crl")),
    }


def manifests(port: int, one: Files) -> str:
    modes = {"/skip": "SKIP", "/default": None, "/strict": "STRICT"}
    shared = (
        service_of("web", [port]) + authority("root", ROOT_ID, one) + consumer("ann") + ingress("open", "/open", "web")
    )
    return shared + "".join(
        plugin(path[1:], revocation_check_mode=mode, http_timeout=5000, cert_cache_ttl=600_000)
        + guarded(path, path[1:])
        for path, mode in modes.items()
    )


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    folder, keys = tmp_path_factory.mktemp("manifests"), tmp_path_factory.mktemp("keys")
    one, other = root(keys, "root"), root(keys, "other")
    ports = Ports(*free_ports(5))
    clients = made_clients(keys, one, ports)
    delegate = issued(keys, "delegate", one, name="responder", extensions="extendedKeyUsage=OCSPSigning")
    revoked = tuple(files for name, files in clients.items() if "revoked" in name or name.endswith("listed"))
    gone = tuple(files for files in revoked if files != clients["not listed"])
    table = index(keys, good=(clients["good"], clients["good by delegate"], clients["not listed"]), revoked=gone)
    lists = {
        "/good.crl": revoked_list(keys, "good", table, one),
        "/old.crl": revoked_list(keys, "old", table, one, hours=-1),
        "/strange.crl": revoked_list(keys, "strange", table, other),
    }
    asked: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(responder(ports.own, table, one))
        stack.enter_context(responder(ports.delegated, table, one, delegate))
        stack.enter_context(responder(ports.strange, table, one, other))
        stack.enter_context(pages(ports.lists, lists, asked))
        (upstream,) = stack.enter_context(upstreams("web"))
        plain, secure = free_ports(2)
        (folder / "all.yaml").write_text(manifests(upstream.port, one))
        settings = {"KONG_PROXY_LISTEN": f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl"}
        gateway = stack.enter_context(running_gateway(folder, settings=settings))
        scene = Scene(gateway, upstream, plain, secure, clients)
        eventually(lambda: scene.ask("/open").status == 200, seen=gateway.lines)
        yield Authority(scene, asked)


@pytest.mark.parametrize(
    ("client", "by_default", "strict"),
    [
        ("names nobody", 200, 401),
        ("good", 200, 200),
        ("revoked", 401, 401),
        ("unknown", 200, 401),
        ("good by delegate", 200, 200),
        ("revoked by delegate", 401, 401),
        ("revoked by a stranger", 200, 401),
        ("nobody there", 200, 401),
        ("not listed", 200, 200),
        ("listed", 401, 401),
        ("old list", 200, 401),
        ("strange list", 200, 401),
        ("no list", 200, 401),
        ("nobody there, listed", 401, 401),
    ],
)
def test_who_passes(client: str, by_default: int, strict: int, authorities: Authority) -> None:
    for path, status in (("/skip", 200), ("/default", by_default), ("/strict", strict)):
        answer = authorities.scene.ask(path, client)
        assert answer == (status, "web" if status == 200 else FAILED), path


def test_a_list_is_fetched_once_for_all(authorities: Authority) -> None:
    scene = authorities.scene
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: scene.ask("/strict", "not listed").status, range(16)))
    assert answers == [200] * 16
    assert scene.ask("/strict", "listed").status == 401
    # Once for each way of asking at most: both modes ask in the same way.
    assert authorities.asked.count("/good.crl") == 1
