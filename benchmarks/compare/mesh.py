"""A hop between two sidecars, and the whole way through gateway and mesh, against bare Envoys in a row."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import mesh_hop, whole_path
from benchmarks.bare_envoy import cluster, envoy, forward, listener
from benchmarks.compare.contestants import World, until_answered_at
from benchmarks.compare.scenarios import CONNECTIONS
from benchmarks.compare.series import Measure
from benchmarks.load import requests_answered
from benchmarks.processes import cpu_seconds_of_all
from tests.support.ports import free_ports

HOP_SHAPES: Final = {"bare": "minimal http1", "sidecars": "http1", "sidecars-http2": "http2"}
WAYS: Final = {
    "sidecar": whole_path.Way.SIDECAR,
    "merged": whole_path.Way.MERGED,
    "merged-http2": whole_path.Way.MERGED_H2,
}


@asynccontextmanager
async def mesh(world: World, scenarios: Iterable[str], seconds: int) -> AsyncIterator[dict[str, dict[str, Measure]]]:
    """Of the two scenarios those that are wanted."""
    wanted = set(scenarios)
    async with AsyncExitStack() as stack:
        cells: dict[str, dict[str, Measure]] = {}
        if "hop" in wanted:
            cells["hop"] = await _hop(world, stack, seconds)
        if "path" in wanted:
            cells["path"] = await _path(world, stack, seconds)
        yield cells


async def _hop(world: World, stack: AsyncExitStack, seconds: int) -> dict[str, Measure]:
    folder = world.folder / "hop"
    folder.mkdir()
    pair, minimal = await stack.enter_async_context(mesh_hop.running(folder))
    return {
        who: partial(mesh_hop.measured, shape, pair, minimal, seconds, CONNECTIONS) for who, shape in HOP_SHAPES.items()
    }


async def _path(world: World, stack: AsyncExitStack, seconds: int) -> dict[str, Measure]:
    folder = world.folder / "path"
    folder.mkdir()
    node, gateways = await stack.enter_async_context(whole_path.running(folder))
    port, pids = stack.enter_context(_row(folder, world.upstream))
    rows = {"bare": (port, pids)} | {
        who: (gateways[way].port, (*gateways[way].pids, node.pid)) for who, way in WAYS.items()
    }
    return {
        who: partial(asyncio.to_thread, _measured, f"http://127.0.0.1:{port}{whole_path.PATH}", pids, seconds)
        for who, (port, pids) in rows.items()
    }


def _measured(url: str, pids: tuple[int, ...], seconds: int) -> float:
    before = cpu_seconds_of_all(pids)
    count = requests_answered(url, seconds=seconds, connections=CONNECTIONS)
    return (cpu_seconds_of_all(pids) - before) / count * 1e6


@contextmanager
def _row(folder: Path, upstream: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Three, of which the first strips the path: its port, and all process ids."""
    first, second, third = free_ports(3)
    host = "127.0.0.1"
    with (
        envoy(folder / "third", [listener(host, third, [forward("up")])], [cluster("up", host, upstream)]) as last,
        envoy(folder / "second", [listener(host, second, [forward("up")])], [cluster("up", host, third)]) as middle,
        envoy(
            folder / "first",
            [listener(host, first, [forward("up", prefix="/dj/jazz/", prefix_rewrite="/")])],
            [cluster("up", host, second)],
        ) as entry,
    ):
        until_answered_at(first, whole_path.PATH)
        yield first, (entry, middle, last)
