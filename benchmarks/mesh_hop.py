"""What a request costs two sidecars over HTTP/1 and over HTTP/2, and what it costs two Envoys with next to no settings.

The sidecars are measured with and without their metrics of requests, which are most of what they do more.

Prints the CPU of both proxies together for each request, and ratios of rounds that ran one after the other. Needs wrk.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.bare_envoy import answer, cluster, envoy, forward, listener
from benchmarks.load import requests_answered
from benchmarks.processes import cpu_seconds_of_all
from tests.support.carried import APP, HOST, SERVER, CarriedPair, carried_pair
from tests.support.envoy import until
from tests.support.ports import free_ports

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
        async with running(Path(folder)) as (pair, minimal):
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


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[CarriedPair, Minimal]]:
    async with carried_pair(folder) as pair:
        await pair.close_app()
        with application(folder, pair.port):
            async with minimal_pair(folder, pair) as minimal:
                yield pair, minimal


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
    before = cpu_seconds_of_all(pids)
    count = await asyncio.to_thread(requests_answered, url, [("Host", HOST)], seconds=seconds, connections=connections)
    return (cpu_seconds_of_all(pids) - before) / count * 1e6


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
    with envoy(folder / "app", [listener(APP, port, [answer("/", "ok")])], []):
        yield


@asynccontextmanager
async def minimal_pair(folder: Path, pair: CarriedPair) -> AsyncIterator[Minimal]:
    http1, http2, server = free_ports(3)
    to_app = listener(APP, server, [forward("app")])
    entries = [listener(APP, http1, [forward("http1")]), listener(APP, http2, [forward("http2")])]
    clusters = [cluster("http1", APP, server), cluster("http2", APP, server, http2=True)]
    with (
        envoy(folder / "minimal-server", [to_app], [cluster("app", APP, pair.port)]) as second,
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


if __name__ == "__main__":
    asyncio.run(main())
