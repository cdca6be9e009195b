"""Traces of the gateway: one over gateway and mesh, a backend for each route, backends that fail, broken headers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.envoy import get, until
from tests.support.gateway import RunningGateway, ingress, running_gateway, service
from tests.support.ports import free_ports
from tests.support.sidecar import sidecar
from tests.support.span_sink import span_sink

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(200)]

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
QUEUE = {"max_batch_size": 50, "max_coalescing_delay": 0.1, "initial_retry_delay": 0.05, "max_retry_delay": 0.2}

COUNTS = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: counts}
plugin: prometheus
config: {status_code_metrics: true}
---
"""


def plugin(name: str, kind: str, port: int, **more: Any) -> str:
    if kind == "zipkin":
        config = {"http_endpoint": f"http://127.0.0.1:{port}/api/v2/spans", "sample_ratio": 1}
    else:
        config = {"traces_endpoint": f"http://127.0.0.1:{port}/v1/traces", "sampling_rate": 1}
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: {name}}}
plugin: {kind}
config: {json.dumps({**config, "queue": QUEUE, **more})}
---
"""


def route(name: str, to: str) -> str:
    return ingress(name, f"/{name}", to, f'konghq.com/plugins: "{name}"')


@asynccontextmanager
async def gateway(
    folder: Path, *manifests: str, settings: dict[str, str] | None = None
) -> AsyncIterator[RunningGateway]:
    (folder / "all.yaml").write_text("".join(manifests))
    context = running_gateway(folder, settings=settings or {})
    running = await asyncio.to_thread(context.__enter__)
    try:
        yield running
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


async def asked(gateway: RunningGateway, path: str, headers: dict[str, str] | None = None) -> int:
    return (await asyncio.to_thread(gateway.get, path, headers)).status


@pytest.mark.parametrize("kind", ["opentelemetry", "zipkin"])
async def test_one_trace_over_gateway_and_mesh(kind: str, tmp_path: Path) -> None:
    (tmp_path / "sidecar").mkdir()
    (tmp_path / "gateway").mkdir()
    async with span_sink() as sink:
        tracer = {"ENABLE_ENVOY_JAEGER_TRACING": "1", "JAEGER_TRACER_PORT": str(sink.port)}
        if kind == "opentelemetry":
            tracer = {"CROSSFADE_OTLP_ADDRESS": f"127.0.0.1:{sink.port}"}
        async with (
            sidecar(tmp_path / "sidecar", tracer) as (outbound, _, admin),
            aiohttp.ClientSession() as http,
            gateway(
                tmp_path / "gateway",
                service("web", outbound),
                plugin("to", kind, sink.port, http_response_header_for_traceid="x-trace"),
                route("to", "web"),
            ) as running,
        ):

            async def is_open() -> bool:
                return (await get(http, admin, "/ready")).status == 200

            await until(is_open)
            answers = [await asyncio.to_thread(running.get, "/to") for _ in range(6)]
            trace = answers[0].headers["x-trace"]

            def both(found: list[dict[str, Any]]) -> bool:
                return {"kong", "mesh/dj-app/virtualNode/dj_prod"} == {
                    service_of(span) for span in found if span["traceId"] == trace
                }

            spans = [span for span in await sink.until(both) if span["traceId"] == trace]
    assert [answer.status for answer in answers] == [200] * 6
    of_gateway = {span["id"] for span in spans if service_of(span) == "kong"}
    (of_sidecar,) = (span for span in spans if service_of(span) != "kong")
    assert of_sidecar["parentId"] in of_gateway
    roots = [span for span in spans if not span.get("parentId")]
    assert [service_of(span) for span in roots] == ["kong"]


def service_of(span: dict[str, Any]) -> str:
    return str(span.get("service") or span["localEndpoint"]["serviceName"])


async def test_each_route_has_its_own_backend_and_a_bad_one_costs_no_request(tmp_path: Path) -> None:
    """One refuses connections, one takes them and never answers, one is well; the first comes back."""
    (dead,) = free_ports(1)
    async with span_sink() as silent, span_sink() as well:
        silent.status = None
        async with gateway(
            tmp_path,
            service("web", well.port),
            *(
                plugin(name, "zipkin", port)
                for name, port in (("dead", dead), ("silent", silent.port), ("well", well.port))
            ),
            *(route(name, "web") for name in ("dead", "silent", "well")),
        ) as running:
            async with asyncio.timeout(60):
                for path in ("/dead", "/silent", "/well") * 5:
                    assert await asked(running, path) == 200
            await silent.until_posted(1)
            await well.until(lambda found: any(span["name"] == "GET" for span in found))
            async with span_sink(dead) as back:
                found = await back.until(lambda found: len([span for span in found if span["name"] == "GET"]) >= 5)
            tags = {span["tags"]["http.path"] for span in [*found, *well.spans()] if span["name"] == "GET"}
    assert tags == {"/dead", "/well"}


async def test_a_collector_that_is_killed_and_started_again_touches_nothing_else(tmp_path: Path) -> None:
    """Requests are answered and counted meanwhile, and it gets spans of what comes later."""
    port, status = free_ports(2)
    traced = ingress("to", "/to", "web", 'konghq.com/plugins: "to,counts"')

    async def are_counted(count: int) -> bool:
        page = (await get(http, status, "/metrics")).body
        lines = [line for line in page.splitlines() if line.startswith("kong_http_requests_total{")]
        return sum(int(line.rpartition(" ")[2]) for line in lines) == count

    async with span_sink() as web, aiohttp.ClientSession() as http:
        manifests = (service("web", web.port), plugin("to", "zipkin", port), COUNTS, traced)
        async with gateway(tmp_path, *manifests, settings={"KONG_STATUS_LISTEN": f"127.0.0.1:{status}"}) as running:
            async with span_sink(port) as killed:
                assert await asked(running, "/to/before") == 200
                await killed.until(lambda found: "/to/before" in paths(found))
            assert [await asked(running, "/to/meanwhile") for _ in range(20)] == [200] * 20
            await until(partial(are_counted, 21), within_s=60)
            async with span_sink(port) as again:
                assert await asked(running, "/to/after") == 200
                await again.until(lambda found: "/to/after" in paths(found))
            await until(partial(are_counted, 22), within_s=60)


def paths(spans: list[dict[str, Any]]) -> set[str]:
    return {span["tags"]["http.path"] for span in spans if span["name"] == "GET"}


async def test_broken_headers_begin_a_trace_of_their_own(tmp_path: Path) -> None:
    broken = [
        {"traceparent": "00-zz-1-01"},
        {"traceparent": f"00-{TRACE}-{PARENT}-01" * 100},
        {"b3": "\tnonsense"},
        {"x-b3-traceid": "1" * 33, "x-b3-spanid": "%00"},
        {"uber-trace-id": "::::"},
        {"Zipkin-Tags": '=;;a=<b>"; c'},
    ]
    async with span_sink() as sink:
        whole = gateway(tmp_path, service("web", sink.port), plugin("to", "zipkin", sink.port), route("to", "web"))
        async with whole as running:
            for headers in broken:
                assert await asked(running, "/to", headers) == 200
            spans = await sink.until(
                lambda found: len([span for span in found if span["name"] == "GET"]) >= len(broken)
            )
            sent = [post.headers for post in sink.posts if post.path != "/api/v2/spans"]
    assert TRACE not in {span["traceId"] for span in spans}
    assert all(len(headers["x-b3-traceid"]) == 32 and headers["x-b3-sampled"] == "1" for headers in sent)


async def test_headers_are_cleared_and_written_as_asked(tmp_path: Path) -> None:
    asks = {"extract": ["w3c"], "inject": ["b3-single", "datadog"], "clear": ["traceparent"], "default_format": "w3c"}
    async with span_sink() as sink:
        made = plugin("to", "opentelemetry", sink.port, propagation=asks)
        async with gateway(tmp_path, service("web", sink.port), made, route("to", "web")) as running:
            assert await asked(running, "/to", {"traceparent": f"00-{TRACE}-{PARENT}-01"}) == 200
            (sent,) = (post.headers for post in sink.posts if post.path != "/v1/traces")
            spans = await sink.until(lambda found: len(found) >= 2)
    assert "traceparent" not in sent
    assert sent["b3"].startswith(f"{TRACE}-")
    assert sent["x-datadog-trace-id"] == str(int(TRACE[16:], 16))
    assert {span["name"]: span["parentId"] for span in spans}["kong"] == PARENT


@pytest.mark.parametrize("kind", ["opentelemetry", "zipkin"])
async def test_spans_tell_what_the_client_asked(kind: str, tmp_path: Path) -> None:
    """Not what the service got: the path is stripped there, and the host another."""
    changes = 'konghq.com/plugins: to, konghq.com/strip-path: "true", konghq.com/preserve-host: "false"'
    async with span_sink() as sink:
        whole = gateway(
            tmp_path, service("web", sink.port), plugin("to", kind, sink.port), ingress("to", "/to", "web", changes)
        )
        async with whole as running:
            assert await asked(running, "/to/x?y=1", {"Host": "shop.test"}) == 200
            spans = await sink.until(lambda found: len(found) >= 2)
            (got,) = (post.path for post in sink.posts if post.path not in ("/api/v2/spans", "/v1/traces"))
    tags = next(span["tags"] for span in spans if span["kind"] == "SERVER")
    assert got == "/x"
    assert tags["http.host"] == "shop.test"
    assert tags.get("http.path", "/to/x") == "/to/x"
    assert tags.get("http.url", "http://shop.test/to/x?y=1") == "http://shop.test/to/x?y=1"
