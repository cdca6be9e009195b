"""What a sidecar counts of requests, under our names and App Mesh's, as its environment has it."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from tests.support.envoy import get, until
from tests.support.sidecar import CLUSTER, sidecar

pytestmark = pytest.mark.envoy
BOTH = pytest.mark.parametrize("has_library", [True, False], ids=["by the library", "by Envoy's own log"])


async def counted(http: aiohttp.ClientSession, outbound: int, inbound: int, admin: int) -> str:
    """After one request each way."""

    async def is_open() -> bool:
        return (await get(http, admin, "/ready")).status == 200

    await until(is_open)
    assert (await get(http, outbound)).body == (await get(http, inbound)).body == "jazz"
    return (await get(http, admin, "/stats/prometheus?filter=(crossfade|appmesh)%5B._%5D")).body


async def open_connections(http: aiohttp.ClientSession, admin: int) -> int:
    """To the inbound listener: the outbound one's are not counted."""
    text = (await get(http, admin, "/stats/prometheus?filter=ActiveConnectionCount")).body
    labels = r'Mesh="dj-app",VirtualNode="dj_prod"'
    (count,) = re.findall(rf"^envoy_appmesh_ActiveConnectionCount\{{{labels}\}} (\d+)$", text, re.MULTILINE)
    return int(count)


async def shown_with(name: str, http: aiohttp.ClientSession, admin: int) -> str:
    """App Mesh's statistics, once that one is there."""
    seen = [""]

    async def is_counted() -> bool:
        seen[0] = (await get(http, admin, "/stats/prometheus?filter=appmesh%5C.")).body
        return name in seen[0]

    await until(is_counted)
    return seen[0]


def series(text: str, name: str) -> dict[str, str]:
    """Of the one line of that counter."""
    (line,) = re.findall(rf"^{name}\{{(.*)\}} 1$", text, re.MULTILINE)
    return dict(re.findall(r'(\w+)="([^"]*)"', line))


@BOTH
async def test_requests_are_counted_by_who_asks_whom(has_library: bool, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http, sidecar(tmp_path, {}, has_library=has_library) as ports:
        text = await counted(http, *ports)
    lines = [line for line in text.splitlines() if line.startswith("envoy_crossfade_requests_total")]
    callers, callees = (dict(re.findall(r'(\w+)="([^"]*)"', line)) for line in sorted(lines, reverse=True))
    assert callers == {
        "reporter": "source",
        "source": "dj",
        "source_namespace": "prod",
        "service": "jazz.music.svc.cluster.local",
        "target": "jazz",
        "target_namespace": "music",
        "code_class": "2xx",
        "flags": "-",
    }
    assert (callees["reporter"], callees["target"], callees["target_namespace"]) == ("destination", "dj", "prod")
    assert "appmesh" not in text


@BOTH
async def test_durations_have_fixed_buckets(has_library: bool, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http, sidecar(tmp_path, {}, has_library=has_library) as ports:
        seen: list[str] = [await counted(http, *ports)]

        async def is_flushed() -> bool:
            seen[0] = (await get(http, ports[2], "/stats/prometheus?filter=crossfade%5B._%5D")).body
            return "envoy_crossfade_request_duration_milliseconds_bucket" in seen[0]

        await until(is_flushed)
    bounds = re.findall(r'reporter="source".*le="(\d+)"', seen[0])
    assert (len(bounds), bounds[0], bounds[-1]) == (24, "1", "30000")


async def test_app_meshs_extension_has_its_names(tmp_path: Path) -> None:
    async with sidecar(tmp_path, {"APPMESH_METRIC_EXTENSION_VERSION": "1"}) as ports:
        async with aiohttp.ClientSession() as http:
            text = await counted(http, *ports)
            assert await open_connections(http, ports[2]) == 1
        # Connections are counted when they have ended, as this one has.
        async with aiohttp.ClientSession() as http:
            of_connections = await shown_with("envoy_appmesh_NewConnectionCount", http, ports[2])
            assert await open_connections(http, ports[2]) == 0
    own = {"Mesh": "dj-app", "VirtualNode": "dj_prod"}
    target = {"TargetVirtualService": "jazz.music.svc.cluster.local", "TargetVirtualNode": "jazz_music"}
    assert series(text, "envoy_appmesh_RequestCount") == own
    assert series(text, "envoy_appmesh_RequestCountPerTarget") == own | target
    assert series(text, "envoy_appmesh_HTTPCode_Target_2XX_Count") == own | target
    assert "HTTPCode_Target_4XX_Count" not in text
    assert "envoy_appmesh_TargetProcessedBytes" in text
    assert "GrpcRequestCount" not in text
    assert series(of_connections, "envoy_appmesh_NewConnectionCount") == own
    (size,) = re.findall(r"^envoy_appmesh_ProcessedBytes\{.*\} (\d+)$", of_connections, re.MULTILINE)
    assert int(size) > 200


@BOTH
async def test_who_leaves_has_had_no_answer(has_library: bool, tmp_path: Path) -> None:
    has_come = asyncio.Event()

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        has_come.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never_answers, "127.0.0.1", 0)
    app: int = server.sockets[0].getsockname()[1]
    async with (
        server,
        aiohttp.ClientSession() as http,
        sidecar(tmp_path, {}, app, has_library=has_library) as (outbound, _, admin),
    ):

        async def is_ready() -> bool:
            return (await get(http, admin, "/ready")).status == 200

        await until(is_ready)
        async with asyncio.timeout(10):
            _, writer = await asyncio.open_connection("127.0.0.1", outbound)
            writer.write(b"GET / HTTP/1.1\r\nhost: jazz\r\n\r\n")
            await has_come.wait()
            writer.close()
        seen: list[str] = []

        async def is_counted() -> bool:
            seen[:] = [(await get(http, admin, "/stats/prometheus?filter=crossfade.requests")).body]
            return "envoy_crossfade_requests_total{" in seen[0]

        await until(is_counted)
    found = series(seen[0], "envoy_crossfade_requests_total")
    assert (found["code_class"], found["flags"]) == ("none", "DC")


async def test_grpc_is_counted_by_its_type(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http, sidecar(tmp_path, {"APPMESH_METRIC_EXTENSION_VERSION": "1"}) as ports:
        await counted(http, *ports)
        url = f"http://127.0.0.1:{ports[1]}/"
        await http.post(url, headers={"content-type": "application/grpc+proto"})
        text = (await get(http, ports[2], "/stats/prometheus?filter=appmesh")).body
    assert series(text, "envoy_appmesh_GrpcRequestCount") == {"Mesh": "dj-app", "VirtualNode": "dj_prod"}


async def test_of_envoys_own_statistics_the_needed_are_kept(tmp_path: Path) -> None:
    async def statistics(environment: dict[str, str]) -> str:
        folder = tmp_path / str(len(environment))
        folder.mkdir()
        async with aiohttp.ClientSession() as http, sidecar(folder, environment) as ports:
            await counted(http, *ports)
            return (await get(http, ports[2], "/stats")).body

    needed = await statistics({})
    assert f"cluster.{CLUSTER}.upstream_rq_total: 2" in needed
    assert "http.test.downstream_rq_2xx: 2" in needed
    assert f"cluster.{CLUSTER}.membership_healthy: 1" in needed
    assert "listener_manager." not in needed
    everything = await statistics({"CROSSFADE_ENVOY_STATS": "all"})
    assert "listener_manager." in everything
    assert len(needed.splitlines()) < len(everything.splitlines()) / 2


async def test_counting_can_be_switched_off(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http, sidecar(tmp_path, {"CROSSFADE_MESH_METRICS": "off"}) as ports:
        assert "crossfade_requests" not in await counted(http, *ports)
