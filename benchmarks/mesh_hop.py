"""What a request costs two sidecars over HTTP/1 and over HTTP/2, and what it costs two Envoys with next to no settings.

The sidecars are measured with and without their metrics of requests, which are most of what they do more.

Prints the CPU of both proxies together for each request, and ratios of rounds that ran one after the other. Needs wrk.
"""

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.gateway_policies import cpu_seconds
from tests.support.carried import APP, HOST, SERVER, CarriedPair, carried_pair
from tests.support.envoy import until
from tests.support.ports import free_ports

from crossfade.proxy.envoy_process import EnvoyProcess

Json = dict[str, Any]
TYPE: Final = "type.googleapis.com/envoy.extensions"
SHAPES: Final = ("http1", "http2", "uncounted http1", "uncounted http2", "minimal http1", "minimal http2")
COMPARISONS: Final = (
    ("http2", "http1"),
    ("minimal http2", "minimal http1"),
    ("http1", "minimal http1"),
    ("http2", "minimal http2"),
    ("uncounted http1", "minimal http1"),
    ("uncounted http2", "minimal http2"),
)
Results = dict[str, list[float]]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    results: Results = {shape: [] for shape in SHAPES}
    with tempfile.TemporaryDirectory() as folder:
        async with carried_pair(Path(folder)) as pair:
            await pair.close_app()
            with application(Path(folder), pair.port):
                async with minimal_pair(Path(folder), pair) as minimal:
                    for number in range(options.rounds + 1):
                        first = number % len(SHAPES)
                        for shape in SHAPES[first:] + SHAPES[:first]:
                            cost = await measured(shape, pair, minimal, options.seconds, options.connections)
                            # The first round warms up.
                            results[shape] += [cost] if number else []
    print("\n".join(report(results)))


class Minimal:
    """Two Envoys in a row; `ports` of the first by the protocol between them."""

    def __init__(self, pids: tuple[int, int], ports: dict[str, int]) -> None:
        self.pids = pids
        self.ports = ports


async def measured(shape: str, pair: CarriedPair, minimal: Minimal, seconds: int, connections: int) -> float:
    """Microseconds of CPU for each request."""
    kind, _, protocol = shape.rpartition(" ")
    if kind != "minimal":
        pair.publish({SERVER: True}, asks=protocol == "http2")
        await pair.until_spoken(protocol)
        await pair.count_requests(counts=kind != "uncounted")
        pids, url = pair.pids, f"{pair.url}/"
    else:
        pids, url = minimal.pids, f"http://{APP}:{minimal.ports[protocol]}/"
    before = sum(map(cpu_seconds, pids))
    count = await asyncio.to_thread(requests_answered, url, seconds, connections)
    return (sum(map(cpu_seconds, pids)) - before) / count * 1e6


def requests_answered(url: str, seconds: int, connections: int) -> int:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Host: {HOST}", url]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    found = re.search(r"(\d+) requests in", output)
    if found is None or "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"the load was not answered cleanly:\n{output}")
    return int(found[1])


def report(results: Results) -> Iterator[str]:
    for shape, costs in results.items():
        yield f"{shape:16} {statistics.median(costs):7.1f} us CPU per request, both proxies (median of {len(costs)})"
    for one, other in COMPARISONS:
        ratios = sorted(a / b for a, b in zip(results[one], results[other], strict=True))
        yield f"{one} / {other}: CPU {statistics.median(ratios):.2f}x (rounds {ratios[0]:.2f} to {ratios[-1]:.2f})"


# --- Envoys with next to no settings ----------------------------------------------------------------------------


@contextmanager
def application(folder: Path, port: int) -> Iterator[None]:
    """Answers at once; its CPU is not counted."""
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}}
    with envoy(folder / "app", [listener(APP, port, answer)], []):
        yield


@asynccontextmanager
async def minimal_pair(folder: Path, pair: CarriedPair) -> AsyncIterator[Minimal]:
    http1, http2, server = free_ports(3)
    to_app = listener(APP, server, forward("app"))
    entries = [listener(APP, http1, forward("http1")), listener(APP, http2, forward("http2"))]
    clusters = [cluster("http1", server, "http_protocol_options"), cluster("http2", server, "http2_protocol_options")]
    with (
        envoy(folder / "minimal-server", [to_app], [cluster("app", pair.port, "http_protocol_options")]) as second,
        envoy(folder / "minimal-client", entries, clusters) as first,
    ):
        for port in (http1, http2):
            await until_answered(pair, port)
        yield Minimal((first, second), {"http1": http1, "http2": http2})


async def until_answered(pair: CarriedPair, port: int) -> None:
    async def answers() -> bool:
        try:
            async with pair.http.get(f"http://{APP}:{port}/") as response:
                return response.status == 200
        except OSError:
            return False

    await until(answers)


@contextmanager
def envoy(folder: Path, listeners: list[Json], clusters: list[Json]) -> Iterator[int]:
    """Its process id."""
    folder.mkdir()
    config = {"static_resources": {"listeners": listeners, "clusters": clusters}}
    process = EnvoyProcess.start(json.dumps(config), workdir=folder, log_level="critical")
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait(10)


def listener(address: str, port: int, route: Json) -> Json:
    manager = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "minimal",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPE}.filters.http.router.v3.Router"}}],
    }
    return {
        "name": f"on-{port}",
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [{"filters": [{"name": "manager", "typed_config": manager}]}],
    }


def forward(name: str) -> Json:
    return {"match": {"prefix": "/"}, "route": {"cluster": name}}


def cluster(name: str, port: int, protocol: str) -> Json:
    options = f"{TYPE}.upstreams.http.v3.HttpProtocolOptions"
    endpoint = {"endpoint": {"address": {"socket_address": {"address": APP, "port_value": port}}}}
    return {
        "name": name,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [{"max_connections": 100_000, "max_requests": 100_000}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {protocol: {}},
            }
        },
    }


if __name__ == "__main__":
    asyncio.run(main())
