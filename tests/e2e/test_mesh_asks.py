"""What annotations ask of a mesh beyond App Mesh, in a real Envoy: faults, limits, header case."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec import structs

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.model import Direction
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import decode
from tests.support.envoy import Backend, Harness, backend, running_envoy, until
from tests.support.mesh_envoy import MeshGateway, mesh_gateway, to_node

pytestmark = pytest.mark.envoy


# --- faults ----------------------------------------------------------------------------------------------------


def _fault(what: str, *, lasts_s: int) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{what}, from {now} for {lasts_s}s"


@asynccontextmanager
async def _jazz(workdir: Path, annotations: Mapping[str, str]) -> AsyncIterator[MeshGateway]:
    async with backend("jazz") as jazz, mesh_gateway(workdir) as gateway:
        gateway.put_gateway()
        gateway.put_service("jazz", jazz.port)
        await gateway.start()
        await gateway.until("/jazz", "jazz")
        provider = {"virtualRouter": {"virtualRouterRef": {"name": "jazz"}}}
        gateway.put(VirtualService, "jazz", {"provider": provider}, annotations)
        yield gateway


def _router(prefixes: Mapping[str, str]) -> dict[str, Any]:
    """Its routes by name, all to the one node."""
    routes = [
        {"name": name, "httpRoute": {"match": {"prefix": prefix}, "action": to_node("jazz")}}
        for name, prefix in prefixes.items()
    ]
    return {"listeners": [{"portMapping": {"port": 9080, "protocol": "http"}}], "routes": routes}


async def _statuses(gateway: MeshGateway, number: int) -> Counter[int]:
    return Counter([(await gateway.get("/jazz")).status for _ in range(number)])


async def test_a_fault_takes_a_share_of_requests_and_ends_in_its_time(tmp_path: Path) -> None:
    fault = {"crossfade.dev/fault": _fault("abort 503 50%", lasts_s=6)}
    async with _jazz(tmp_path, fault) as gateway:
        await gateway.until("/jazz", "fault filter abort", status=503)
        found = await _statuses(gateway, 100)
        # 50 are expected; 6 standard deviations are 30.
        assert 20 <= found[503] <= 80
        assert found[200] + found[503] == 100

        async def is_over() -> bool:
            return await _statuses(gateway, 20) == {200: 20}

        await until(is_over, within_s=12)


async def test_a_fault_is_withdrawn_when_a_pod_of_the_mesh_cannot_serve_any_more(tmp_path: Path) -> None:
    fault = {"crossfade.dev/fault": _fault("abort 503 50%", lasts_s=600)}
    async with _jazz(tmp_path, fault) as gateway:
        gateway.objects.put_endpoints("metal", ("127.0.0.1", 1), port=9080, pods=("metal-1",))
        gateway.put_service("metal", 9080, host="metal.prod.svc.cluster.local")
        await gateway.until("/jazz", "fault filter abort", status=503)
        gateway.objects.put_endpoints("metal", ("127.0.0.1", 1), port=9080, pods=("metal-1",), ready=False)

        async def is_over() -> bool:
            return await _statuses(gateway, 20) == {200: 20}

        await until(is_over)
        assert [one.reason for one in gateway.control.faults] == ["FaultBegins", "FaultWithdrawn"]
        assert "pod prod/metal-1" in gateway.control.faults[1].message
        # A pod that is ready again brings no fault back; another fault is one.
        gateway.objects.put_endpoints("metal", ("127.0.0.1", 1), port=9080, pods=("metal-1",))
        assert await _statuses(gateway, 20) == {200: 20}
        provider = {"virtualRouter": {"virtualRouterRef": {"name": "jazz"}}}
        again = {"crossfade.dev/fault": _fault("abort 418 50%", lasts_s=600)}
        gateway.put(VirtualService, "jazz", {"provider": provider}, again)
        await gateway.until("/jazz", status=418)


async def test_a_fault_is_withdrawn_when_requests_fail_that_it_leaves_alone(tmp_path: Path) -> None:
    fault = {"crossfade.dev/fault": _fault("abort 503 50%, stop 30%", lasts_s=600)}
    async with _jazz(tmp_path, fault) as gateway:
        gateway.put_service("metal", 9)
        await gateway.until("/jazz", "fault filter abort", status=503)
        # Half of the requests fail, and none of them by an application.
        asked = Counter[int]()

        async def is_reported() -> bool:
            nonlocal asked
            asked += await _statuses(gateway, 20)
            return asked[503] >= 100 and await gateway.stat("load_reporter.responses") >= 3

        await until(is_reported)
        assert [one.reason for one in gateway.control.faults] == ["FaultBegins"]

        async def is_withdrawn() -> bool:
            await asyncio.gather(*(gateway.get("/metal") for _ in range(20)))
            return [one.reason for one in gateway.control.faults] == ["FaultBegins", "FaultWithdrawn"]

        await until(is_withdrawn)
        told = gateway.control.faults[1].message
        assert "100% of the requests to VirtualNode prod/metal fail under the fault, more than the 30%" in told
        assert await _statuses(gateway, 20) == {200: 20}


async def test_a_fault_ends_without_a_control_plane(tmp_path: Path) -> None:
    fault = {"crossfade.dev/fault": _fault("abort 418 50%", lasts_s=5)}
    async with _jazz(tmp_path, fault) as gateway:
        await gateway.until("/jazz", status=418)
        await gateway.control.stop()
        assert (await _statuses(gateway, 30))[418] > 0

        async def is_over() -> bool:
            return await _statuses(gateway, 20) == {200: 20}

        await until(is_over, within_s=12)


async def test_a_fault_delays_a_share_of_one_route(tmp_path: Path) -> None:
    async with _jazz(tmp_path, {}) as gateway:
        fault = {"crossfade.dev/route-faults": "slow: " + _fault("delay 300ms 50%", lasts_s=60)}
        gateway.put(VirtualRouter, "jazz", _router({"slow": "/slow", "all": "/"}), fault)

        async def took(path: str) -> float:
            began = time.monotonic()
            assert (await gateway.get(path)).status == 200
            return time.monotonic() - began

        async def is_slow() -> bool:
            return await took("/jazz/slow") >= 0.3

        await until(is_slow)
        assert min([await took("/jazz/other") for _ in range(10)]) < 0.3


# --- limits of callers -----------------------------------------------------------------------------------------


async def test_a_route_lets_so_many_requests_through(tmp_path: Path) -> None:
    async with _jazz(tmp_path, {}) as gateway:
        limit = {"crossfade.dev/route-rate-limits": "all: 1/h burst 3"}
        gateway.put(VirtualRouter, "jazz", _router({"all": "/"}), limit)
        await gateway.until("/jazz", "local_rate_limited", status=429)
        assert await _statuses(gateway, 5) == {429: 5}


# --- what a node asks of its own listener ----------------------------------------------------------------------


class Inbound:
    """The sidecar of a node, before an application on `app.port`; its listener stands on a port of its own."""

    def __init__(self, envoy: Harness, app: Backend) -> None:
        self._envoy = envoy
        self.port = envoy.port
        self.app = app

    async def apply(self, annotations: Mapping[str, str]) -> None:
        mesh = {"meshRef": {"name": "m"}}
        listeners = [{"portMapping": {"port": self.app.port, "protocol": "http"}}]
        discovery = {"dns": {"hostname": "127.0.0.1"}}
        metadata = {"name": "app", "namespace": "prod", "annotations": annotations}
        spec = {**mesh, "listeners": listeners, "serviceDiscovery": discovery}
        objects = [decode({"metadata": {"name": "m"}}, Mesh), decode({"metadata": metadata, "spec": spec}, VirtualNode)]
        proxy = compile_mesh(Snapshot.of(objects), ArnScope()).proxies["mesh/m/virtualNode/app_prod"]
        inbound = next(one for one in proxy.listeners if one.direction is Direction.INBOUND)
        chains = tuple(structs.replace(chain, destination_port=None) for chain in inbound.chains)
        listener = structs.replace(inbound, address="127.0.0.1", port=self._envoy.port, chains=chains)
        self._envoy.publish(structs.replace(proxy, listeners=(listener,)))
        await self._envoy.until_body("app")

    async def say(self, request: bytes) -> bytes:
        """The answer's head."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        finally:
            writer.close()


@pytest.fixture
async def inbound(tmp_path: Path) -> AsyncIterator[Inbound]:
    async with backend("app") as app, running_envoy(tmp_path) as envoy:
        yield Inbound(envoy, app)


POST = b"POST / HTTP/1.1\r\nHost: app\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (POST + b"content-length: 10\r\n\r\n0123456789", b"200"),
        (POST + b"content-length: 11\r\n\r\n01234567890", b"413"),
        (POST + b"content-length: 9223372036854775808\r\n\r\n0123456789a", b"413"),
        (POST + b"transfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", b"200"),
        (POST + b"transfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n", b"413"),
        (POST + b"upgrade: websocket\r\ntransfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nHost: app\r\n\r\n", b"200"),
        # It was asked, and knows no WebSocket.
        (b"GET / HTTP/1.1\r\nHost: app\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", b"502"),
    ],
)
async def test_requests_larger_than_the_limit_do_not_reach_the_application(
    inbound: Inbound, request_: bytes, status: bytes
) -> None:
    await inbound.apply({"crossfade.dev/max-request-bytes": "10"})
    assert (await inbound.say(request_)).split()[1] == status


async def test_a_pod_takes_so_many_requests(inbound: Inbound) -> None:
    await inbound.apply({"crossfade.dev/rate-limit": "1/h burst 20"})
    async with aiohttp.ClientSession() as http:
        found = []
        for _ in range(25):
            async with http.get(f"http://127.0.0.1:{inbound.port}/") as answer:
                found.append((answer.status, answer.headers.get("retry-after")))
    assert {status for status, _ in found[:15]} == {200}
    assert found[-1][0] == 429
    assert int(found[-1][1] or "0") > 60


@pytest.mark.parametrize(
    ("case", "seen", "answered"),
    [
        ("lower", "\r\nx-odd-case: 1", b"\r\ncontent-length"),
        ("preserve", "\r\nX-odd-cASE: 1", b"\r\ncontent-length"),
        ("proper", "\r\nX-Odd-Case: 1", b"\r\nContent-Length"),
    ],
)
async def test_names_of_headers_are_written_as_asked(inbound: Inbound, case: str, seen: str, answered: bytes) -> None:
    await inbound.apply({"crossfade.dev/header-case": case})
    answer = await inbound.say(b"GET / HTTP/1.1\r\nHost: app\r\nX-odd-cASE: 1\r\n\r\n")
    assert answered in answer
    assert seen in inbound.app.raw_head
