"""A real Jaeger, where there is one: `make test-jaeger` builds it; gateway and mesh in one trace of its query API."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import pytest
import yaml

from tests.e2e.test_gateway_traces import gateway, plugin, route
from tests.support.envoy import get, until
from tests.support.gateway import service
from tests.support.ports import free_ports
from tests.support.sidecar import sidecar

ROOT: Final = Path(__file__).resolve().parents[2]
PROGRAM: Final = Path(os.environ.get("JAEGER_FOLDER", ROOT / "build" / "tools")) / "jaeger"
NODE: Final = "mesh/dj-app/virtualNode/dj_prod"

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not PROGRAM.is_file(), reason="there is no Jaeger; `make test-jaeger` builds one"),
]


class Jaeger(NamedTuple):
    zipkin: int
    otlp: int
    query: int


def configuration(ports: Jaeger, others: list[int]) -> dict[str, Any]:
    def at(port: int) -> str:
        return f"127.0.0.1:{port}"

    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"receivers": ["otlp", "zipkin"], "exporters": ["jaeger_storage_exporter"]}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 1000}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": at(ports.query)},
                "grpc": {"endpoint": at(others[0])},
            },
        },
        "receivers": {
            "otlp": {"protocols": {"http": {"endpoint": at(ports.otlp)}}},
            "zipkin": {"endpoint": at(ports.zipkin)},
        },
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
    }


@contextmanager
def started(ports: Jaeger, folder: Path) -> Iterator[None]:
    config = folder / "jaeger.yaml"
    config.write_text(yaml.safe_dump(configuration(ports, free_ports(1))))
    with (folder / "jaeger.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "--config", config], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


async def ready(http: aiohttp.ClientSession, ports: Jaeger) -> None:
    async def answers() -> bool:
        return (await get(http, ports.query, "/api/services")).status == 200

    await until(answers, within_s=30)


async def trace(http: aiohttp.ClientSession, ports: Jaeger, trace_id: str) -> AsyncIterator[list[dict[str, Any]]]:
    """What Jaeger knows of it, again and again."""
    while True:
        async with http.get(f"http://127.0.0.1:{ports.query}/api/traces/{trace_id}") as response:
            data = (await response.json())["data"] if response.status == 200 else []
        yield data
        await asyncio.sleep(0.1)


async def whole(http: aiohttp.ClientSession, ports: Jaeger, trace_id: str) -> dict[str, Any]:
    """As soon as both gateway and sidecar are in it."""
    async with asyncio.timeout(30):
        async for data in trace(http, ports, trace_id):
            if data and {one["serviceName"] for one in data[0]["processes"].values()} == {"kong", NODE}:
                found: dict[str, Any] = data[0]
                return found
    raise AssertionError(trace_id)


def tracers(kind: str, ports: Jaeger) -> tuple[int, dict[str, str]]:
    """The gateway's port, and variables of the sidecar."""
    if kind == "zipkin":
        return ports.zipkin, {"ENABLE_ENVOY_JAEGER_TRACING": "1", "JAEGER_TRACER_PORT": str(ports.zipkin)}
    return ports.otlp, {"CROSSFADE_OTLP_ADDRESS": f"127.0.0.1:{ports.otlp}"}


@pytest.mark.parametrize("kind", ["opentelemetry", "zipkin"])
async def test_one_trace_over_gateway_and_mesh_also_after_a_restart(kind: str, tmp_path: Path) -> None:
    ports = Jaeger(*free_ports(3))
    for name in ("jaeger", "sidecar", "gateway"):
        (tmp_path / name).mkdir()
    to, variables = tracers(kind, ports)
    async with (
        aiohttp.ClientSession() as http,
        sidecar(tmp_path / "sidecar", variables) as (outbound, _, admin),
        gateway(
            tmp_path / "gateway",
            service("web", outbound),
            plugin("to", kind, to, http_response_header_for_traceid="x-trace"),
            route("to", "web"),
        ) as running,
    ):

        async def is_open() -> bool:
            return (await get(http, admin, "/ready")).status == 200

        await until(is_open)
        for _ in range(2):
            with started(ports, tmp_path / "jaeger"):
                await ready(http, ports)
                answers = [await asyncio.to_thread(running.get, "/to") for _ in range(6)]
                found = await whole(http, ports, answers[0].headers["x-trace"])
            assert [answer.status for answer in answers] == [200] * 6
            references = {span["spanID"]: [one["spanID"] for one in span["references"]] for span in found["spans"]}
            assert sum(not parents for parents in references.values()) == 1
            assert all(parent in references for parents in references.values() for parent in parents)
            # Nobody takes spans meanwhile.
            dead = [await asyncio.to_thread(running.get, "/to") for _ in range(6)]
            assert [answer.status for answer in dead] == [200] * 6
