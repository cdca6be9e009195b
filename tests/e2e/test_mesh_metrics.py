"""What a sidecar counts of requests, under our names and App Mesh's, as its environment has it."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from msgspec import structs

from crossfade.compile.model import Direction, ProxyModel, ReachedNode
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.proxy.run import bootstrap_from_settings, settings_from_environment
from crossfade.xds.auth import always
from crossfade.xds.publisher import Publisher
from crossfade.xds.server import AdsServer
from tests.support.envoy import backend, get, until
from tests.support.models import local_cluster, proxy_model, route_to
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy

_PATH = "mesh/dj-app/virtualNode/dj_prod"


def model(directions: Mapping[Direction, int], backend_port: int) -> ProxyModel:
    """Everything goes to the node `jazz`."""
    cluster = structs.replace(local_cluster("c", backend_port), reaches=ReachedNode("jazz", "music", "jazz_music"))
    made = proxy_model(route_to("c"), clusters=(cluster,))
    (listener,), (table,) = made.listeners, made.route_tables
    (host,) = table.virtual_hosts
    listeners = tuple(
        structs.replace(listener, name=str(direction), port=port, direction=direction)
        for direction, port in directions.items()
    )
    table = structs.replace(table, virtual_hosts=(structs.replace(host, name="jazz.music.svc.cluster.local"),))
    return structs.replace(made, listeners=listeners, route_tables=(table,))


@asynccontextmanager
async def sidecar(tmp_path: Path, environment: Mapping[str, str]) -> AsyncIterator[tuple[int, int, int]]:
    """Ports of its outbound and inbound listener and of its admin interface."""
    outbound, inbound, admin = free_ports(3)
    publisher = Publisher()
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=always("p"))
    settings = settings_from_environment(
        {
            "CROSSFADE_ADS_ADDRESS": f"127.0.0.1:{server.port}",
            "ENVOY_ADMIN_ACCESS_PORT": str(admin),
            "APPMESH_VIRTUAL_NODE_NAME": _PATH,
            "POD_NAMESPACE": "prod",
            **environment,
        },
        is_gateway=False,
    )
    async with backend("jazz") as jazz:
        ports = {Direction.OUTBOUND: outbound, Direction.INBOUND: inbound}
        publisher.publish("p", resources_from_model(model(ports, jazz.port), options=EnvoyOptions()))
        process = EnvoyProcess.start(
            bootstrap_from_settings(settings),
            workdir=tmp_path,
            log_level="critical",
            environment=dict(settings.own_names),
        )
        try:
            yield outbound, inbound, admin
        finally:
            process.kill()
            process.wait(10)
            await server.stop()


async def counted(http: aiohttp.ClientSession, outbound: int, inbound: int, admin: int) -> str:
    """After one request each way."""

    async def is_open() -> bool:
        return (await get(http, admin, "/ready")).status == 200

    await until(is_open)
    assert (await get(http, outbound)).body == (await get(http, inbound)).body == "jazz"
    return (await get(http, admin, "/stats/prometheus?filter=(crossfade|appmesh)%5C.")).body


def series(text: str, name: str) -> dict[str, str]:
    """Of the one line of that counter."""
    (line,) = re.findall(rf"^{name}\{{(.*)\}} 1$", text, re.MULTILINE)
    return dict(re.findall(r'(\w+)="([^"]*)"', line))


async def test_requests_are_counted_by_who_asks_whom(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http, sidecar(tmp_path, {}) as ports:
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


async def test_durations_have_fixed_buckets(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http, sidecar(tmp_path, {}) as ports:
        seen: list[str] = [await counted(http, *ports)]

        async def is_flushed() -> bool:
            seen[0] = (await get(http, ports[2], "/stats/prometheus?filter=crossfade%5C.")).body
            return "envoy_crossfade_request_duration_milliseconds_bucket" in seen[0]

        await until(is_flushed)
    bounds = re.findall(r'reporter="source".*le="(\d+)"', seen[0])
    assert (len(bounds), bounds[0], bounds[-1]) == (24, "1", "30000")


async def test_app_meshs_extension_has_its_names(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http, sidecar(tmp_path, {"APPMESH_METRIC_EXTENSION_VERSION": "1"}) as ports:
        text = await counted(http, *ports)
    own = {"Mesh": "dj-app", "VirtualNode": "dj_prod"}
    target = {"TargetVirtualService": "jazz.music.svc.cluster.local", "TargetVirtualNode": "jazz_music"}
    assert series(text, "envoy_appmesh_RequestCount") == own
    assert series(text, "envoy_appmesh_RequestCountPerTarget") == own | target
    assert series(text, "envoy_appmesh_HTTPCode_Target_2XX_Count") == own | target
    assert "HTTPCode_Target_4XX_Count" not in text
    assert "envoy_appmesh_TargetProcessedBytes" in text
    assert "GrpcRequestCount" not in text


async def test_counting_can_be_switched_off(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http, sidecar(tmp_path, {"CROSSFADE_MESH_METRICS": "off"}) as ports:
        assert "crossfade_requests" not in await counted(http, *ports)
