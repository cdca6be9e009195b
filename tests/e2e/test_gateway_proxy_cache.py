"""proxy-cache in a real Envoy: its memory, its threads, clients that are slow or gone, and purging."""

import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.policy_module.harness import Answer, fetch
from tests.e2e.test_admin_api import ask
from tests.e2e.test_gateway_authentication import config_dump
from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service
from tests.support.ports import free_ports
from tests.support.serving import serving

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(180)]

MIB = 1 << 20
PLUGIN = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: cache}
plugin: proxy-cache
config: {strategy: memory}
---
"""


class Site:
    """Answers `/SIZE/…` with so many bytes; `/cut/…` breaks off; `/gated/…` waits for the gate."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.gate = threading.Event()

    def body(self, path: str) -> bytes:
        kind = path.split("/")[2]
        return path.encode().ljust(int(kind) if kind.isdigit() else 4096, b".")


@contextmanager
def served(site: Site) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # No part of an answer waits for another's acknowledgement.
        disable_nagle_algorithm = True
        wbufsize = 1 << 16

        def do_GET(self) -> None:
            site.asked[self.path] += 1
            body = site.body(self.path)
            if "/gated/" in self.path:
                site.gate.wait(30)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if "/cut/" in self.path:
                body, self.close_connection = body[:1000], True
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with serving(server):
        try:
            yield server.server_address[1]
        finally:
            site.gate.set()


class Running(NamedTuple):
    site: Site
    gateway: RunningGateway
    admin: int

    def get(self, path: str) -> Answer:
        return fetch(self.gateway.port, path)

    def status(self, path: str) -> str | None:
        return self.get(path).header("x-cache-status")

    @property
    def memory(self) -> int:
        """Bytes that Envoy has in memory."""
        (envoy,) = self.gateway.children()
        lines = Path(f"/proc/{envoy}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


@contextmanager
def running(folder: Path, *, workers: int = 1, cache: str = "128m") -> Iterator[Running]:
    site, (admin,) = Site(), free_ports(1)
    settings = {"KONG_MEM_CACHE_SIZE": cache, "KONG_NGINX_WORKER_PROCESSES": str(workers)}
    with served(site) as port:
        (folder / "all.yaml").write_text(
            service("web", port) + PLUGIN + ingress("cached", "/c", "web", "konghq.com/plugins: cache")
        )
        with running_gateway(folder, "--admin-port", str(admin), settings=settings) as gateway:
            yield Running(site, gateway, admin)


def statuses(port: int, paths: Sequence[str]) -> list[str | None]:
    """All on one connection."""
    found = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=15)) as connection:
        for path in paths:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            found.append(response.getheader("X-Cache-Status"))
    return found


def test_memory_stays_bounded_whatever_is_asked_for(tmp_path: Path) -> None:
    """10 000 answers of 16 KiB would be 156 MiB."""
    with running(tmp_path, cache="4m") as one:
        statuses(one.gateway.port, [f"/c/16384/warm/{number}" for number in range(400)])
        before = one.memory
        paths = [f"/c/16384/{number}" for number in range(10_000)]
        assert set(statuses(one.gateway.port, paths)) == {"Miss"}
        assert one.memory - before < 24 * MIB
        assert set(statuses(one.gateway.port, paths[-100:])) == {"Hit"}
        assert set(statuses(one.gateway.port, paths[:100])) == {"Miss"}


def test_what_is_too_long_passes_whole_and_uncached(tmp_path: Path) -> None:
    with running(tmp_path) as one:
        for size, then in ((MIB - 4096, "Hit"), (MIB + 1, "Miss"), (9 * MIB, "Miss")):
            path = f"/c/{size}/long"
            assert one.status(path) == "Miss"
            again = one.get(path)
            assert again.header("x-cache-status") == then
            assert again.body.encode() == one.site.body(path)


def test_all_threads_share_what_is_kept_and_many_may_ask_at_once(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as one, ThreadPoolExecutor(16) as pool:
        path = "/c/gated/x"
        asked = [pool.submit(one.get, path) for _ in range(16)]
        eventually(lambda: one.site.asked[path] == 16)
        one.site.gate.set()
        answers = [each.result() for each in asked]
        assert {(answer.header("x-cache-status"), len(answer.body)) for answer in answers} == {("Miss", 4096)}
        assert {answer.body for answer in answers} == {one.site.body(path).decode()}
        assert {one.status(path) for _ in range(40)} == {"Hit"}
        assert one.site.asked[path] == 16


def test_what_breaks_off_is_not_kept(tmp_path: Path) -> None:
    with running(tmp_path) as one:
        for _ in range(2):
            with pytest.raises(http.client.IncompleteRead):
                one.get("/c/cut/x")
        assert one.site.asked["/c/cut/x"] >= 2


def test_slow_clients_hold_up_nobody(tmp_path: Path) -> None:
    """Neither those that wait for the upstream's answer, nor those for which it is kept already."""
    with running(tmp_path) as one, ExitStack() as stack:
        size = 900 * 1024
        for path in (f"/c/{size}/slow", f"/c/{size}/kept"):
            before = one.memory
            if path.endswith("kept"):
                assert one.status(path) == "Miss"
            for _ in range(20):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", one.gateway.port), timeout=15))
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: gw.test\r\n\r\n".encode())
                # It has begun, and is not read on.
                assert client.recv(12) == b"HTTP/1.1 200"
            answer = one.get(path)
            assert len(answer.body) == size
            assert one.status(path) == "Hit"
            assert one.memory - before < 20 * 2 * MIB + 16 * MIB


def test_purging(tmp_path: Path) -> None:
    with running(tmp_path) as one:
        keys = [one.get(f"/c/100/{name}").header("x-cache-key") for name in ("a", "b", "c")]
        status, shown = ask(one.admin, f"/proxy-cache/{keys[0]}")
        assert (status, shown["status"], shown["body"]) == (200, 200, one.site.body("/c/100/a").decode())
        assert ask(one.admin, f"/proxy-cache/{keys[0]}", "DELETE") == (204, None)
        assert ask(one.admin, f"/proxy-cache/{keys[0]}", "DELETE") == (404, {"message": "Not found"})
        assert [one.status(f"/c/100/{name}") for name in ("a", "b")] == ["Miss", "Hit"]
        (plugin,) = ask(one.admin, "/plugins")[1]["data"]
        assert ask(one.admin, f"/proxy-cache/{plugin['id']}/caches/{keys[1]}", "DELETE") == (204, None)
        assert ask(one.admin, f"/proxy-cache/{plugin['id']}/caches/{keys[1]}")[0] == 404
        assert one.status("/c/100/b") == "Miss"
        assert ask(one.admin, "/proxy-cache", "DELETE") == (204, None)
        assert [one.status(f"/c/100/{name}") for name in ("a", "b", "c")] == ["Miss"] * 3


def test_clients_cannot_purge(tmp_path: Path) -> None:
    """Where the module answers the control plane is no port, and who has no token learns and does nothing."""
    with running(tmp_path) as one:
        key = one.get("/c/100/a").header("x-cache-key")
        dump = json.loads(config_dump(one.gateway))
        listeners = [listener for part in dump["configs"] for listener in part.get("dynamic_listeners", ())]
        (door,) = [listener for listener in listeners if listener["name"] == "gateway_cached"]
        assert "[redacted]" in json.dumps(door)
        name = door["active_state"]["listener"]["address"]["pipe"]["path"]
        for request in (f"GET /{key}", "DELETE /", f"DELETE /{key}"):
            for token in ("", "Authorization: Bearer \r\n", f"Authorization: Bearer {'0' * 32}\r\n"):
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect("\0" + name.removeprefix("@"))
                    client.sendall(f"{request} HTTP/1.1\r\nHost: a\r\n{token}\r\n".encode())
                    assert client.recv(4096).startswith(b"HTTP/1.1 403 ")
        assert one.status("/c/100/a") == "Hit"
