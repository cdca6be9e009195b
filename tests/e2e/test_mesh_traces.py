"""Spans of sidecars, as App Mesh's variables ask for them: one trace over two proxies, and a backend that is gone."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.envoy import get, until
from tests.support.ports import free_ports
from tests.support.sidecar import sidecar
from tests.support.span_sink import SpanSink, span_sink

pytestmark = pytest.mark.envoy

NODE = "mesh/dj-app/virtualNode/dj_prod"
VIRTUAL_GATEWAY = "mesh/dj-app/virtualGateway/in_prod"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


async def until_ready(http: aiohttp.ClientSession, admin: int) -> None:
    async def is_open() -> bool:
        return (await get(http, admin, "/ready")).status == 200

    await until(is_open)


async def ask(http: aiohttp.ClientSession, port: int, headers: dict[str, str] | None = None, times: int = 6) -> None:
    """Envoy sends spans when five are there, or after five seconds."""
    for _ in range(times):
        async with http.get(f"http://127.0.0.1:{port}/", headers=headers) as response:
            assert (response.status, await response.text()) == (200, "jazz")


def variables(kind: str, sink: SpanSink) -> dict[str, str]:
    if kind == "otlp":
        return {"CROSSFADE_OTLP_ADDRESS": f"127.0.0.1:{sink.port}"}
    return {"ENABLE_ENVOY_JAEGER_TRACING": "1", "JAEGER_TRACER_PORT": str(sink.port)}


def service(span: dict[str, Any]) -> str:
    return str(span.get("service") or span["localEndpoint"]["serviceName"])


@pytest.mark.parametrize(("kind", "path"), [("otlp", NODE), ("zipkin", VIRTUAL_GATEWAY)])
async def test_a_request_that_has_a_trace_goes_on_in_it(kind: str, path: str, tmp_path: Path) -> None:
    async with (
        span_sink() as sink,
        sidecar(tmp_path, {**variables(kind, sink), "APPMESH_VIRTUAL_NODE_NAME": path}) as (outbound, inbound, admin),
        aiohttp.ClientSession() as http,
    ):
        await until_ready(http, admin)
        await ask(http, outbound, SAMPLED, times=3)
        await ask(http, inbound, SAMPLED, times=3)
        await ask(http, outbound, {"traceparent": f"00-{TRACE}-{PARENT}-00"}, times=2)
        spans = await sink.until(lambda found: len(found) >= 5)
    assert {(span["traceId"], span["parentId"]) for span in spans} == {(TRACE, PARENT)}
    assert {service(span) for span in spans} == {path}
    assert {span["kind"] for span in spans} == {"CLIENT", "SERVER"}


@pytest.mark.parametrize(("sampling", "expected"), [("1", 6), ("0", 0)])
async def test_how_many_requests_begin_a_trace(sampling: str, expected: int, tmp_path: Path) -> None:
    """No id of a client's forces one. A sampled request at the end has what is there sent."""
    async with span_sink() as sink:
        given = variables("zipkin", sink) | {"CROSSFADE_TRACE_SAMPLING_RATE": sampling}
        async with sidecar(tmp_path, given) as (outbound, _, admin), aiohttp.ClientSession() as http:
            await until_ready(http, admin)
            await ask(http, outbound, {"x-client-trace-id": "forced"})
            await ask(http, outbound, SAMPLED)
            spans = await sink.until(lambda found: len([span for span in found if span["traceId"] == TRACE]) >= 4)
    assert len({span["traceId"] for span in spans} - {TRACE}) == expected


async def test_datadogs_agent_gets_traces(tmp_path: Path) -> None:
    async with span_sink() as sink:
        given = {"ENABLE_ENVOY_DATADOG_TRACING": "1", "DATADOG_TRACER_PORT": str(sink.port)}
        async with sidecar(tmp_path, given) as (outbound, _, admin), aiohttp.ClientSession() as http:
            await until_ready(http, admin)
            await ask(http, outbound, times=1)
            posts = await sink.until_posted(1)
    assert posts[0].path == "/v0.4/traces"
    assert NODE.encode() in posts[0].body


@pytest.mark.parametrize("how", ["refuses", "hangs", "fails"])
async def test_a_backend_that_does_not_take_spans_costs_no_request(how: str, tmp_path: Path) -> None:
    """And once it is there, it gets those of then."""
    (port,) = free_ports(1)
    given = {"ENABLE_ENVOY_JAEGER_TRACING": "1", "JAEGER_TRACER_PORT": str(port)}
    async with sidecar(tmp_path, given) as (outbound, _, admin), aiohttp.ClientSession() as http:
        await until_ready(http, admin)
        if how == "refuses":
            await ask(http, outbound, times=40)
        else:
            async with span_sink(port) as bad:
                bad.status = None if how == "hangs" else 500
                async with asyncio.timeout(10):
                    await ask(http, outbound, times=40)
                await bad.until_posted(1)
        async with span_sink(port) as good:
            await ask(http, outbound, SAMPLED, times=10)
            await good.until(lambda found: any(span["traceId"] == TRACE for span in found))


async def test_ids_of_requests_go_through_unchanged(tmp_path: Path) -> None:
    """And broken headers of traces end no request, however often they come."""
    broken = {"traceparent": "zz", "b3": "\tnonsense", "x-b3-traceid": "1", "x-b3-sampled": "perhaps"}
    request_id = {"x-request-id": "5e2ea1c7-0d2c-4a35-9a5b-0a7a3b1f2c3d"}
    async with (
        span_sink() as sink,
        sidecar(tmp_path, variables("zipkin", sink)) as (outbound, _, admin),
        aiohttp.ClientSession() as http,
    ):
        await until_ready(http, admin)
        await ask(http, outbound, broken)
        await ask(http, outbound, request_id)
        spans = await sink.until(lambda found: len(found) >= 5)
    assert {span["tags"]["guid:x-request-id"] for span in spans} == {request_id["x-request-id"]}
