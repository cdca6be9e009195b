"""What memory a sidecar takes for what it counts of whom it calls, by the number of nodes that it has called.

    python -m benchmarks.edge_memory [--edges 100,1000,10000]

Two sidecars that differ in nothing but counting get the same requests, one for each of their nodes. What one has more
is printed for each node: what Envoy has allocated, and what of its memory is its own (PSS). Takes some minutes.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import msgspec
from benchmarks.processes import children, memory
from msgspec import structs
from tests.support.envoy import get, until
from tests.support.models import local_cluster, route_to
from tests.support.sidecar import model, sidecar

from crossfade.compile.mesh.names import remote_cluster
from crossfade.compile.model import Direction, ProxyModel, ReachedNode
from crossfade.compile.routing.routes import VirtualHost

_WITHIN_S: Final = 300.0
_AT_ONCE: Final = 16
# Histograms are taken over into what is shown once in five seconds.
_FLUSHED_S: Final = 12.0
_MIB: Final = 1 << 20


class Taken(NamedTuple):
    """In bytes."""

    allocated: int
    pss: int


def model_with(edges: int, ports: Mapping[Direction, int], app: int) -> ProxyModel:
    """A virtual service and a node for each edge; all are the one application."""
    made = model(ports, app)
    names = [f"service-{number:05}" for number in range(edges)]
    clusters = tuple(
        structs.replace(
            local_cluster(remote_cluster("dj-app", f"{name}_music", "http", 9080), app),
            reaches=ReachedNode(name, "music", f"{name}_music"),
        )
        for name in names
    )
    (table,) = made.route_tables
    hosts = tuple(
        VirtualHost(f"{name}.music.svc.cluster.local", (name,), (route_to(cluster.name),))
        for name, cluster in zip(names, clusters, strict=True)
    )
    return structs.replace(made, clusters=clusters, route_tables=(structs.replace(table, virtual_hosts=hosts),))


async def taken(edges: int, folder: Path, environment: Mapping[str, str]) -> Taken:
    await asyncio.to_thread(folder.mkdir)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        before = set(children(os.getpid()))
        outbound, _, admin = await stack.enter_async_context(
            sidecar(folder, environment, model_of=partial(model_with, edges))
        )
        (pid,) = set(children(os.getpid())) - before

        async def is_ready() -> bool:
            return (await get(http, admin, "/ready")).status == 200

        await until(is_ready, within_s=_WITHIN_S)
        await ask_each(http, outbound, edges)
        await asyncio.sleep(_FLUSHED_S)
        page = msgspec.json.decode((await get(http, admin, "/memory")).body)
        return Taken(int(page["allocated"]), round(memory(pid).pss * _MIB))


async def ask_each(http: aiohttp.ClientSession, port: int, edges: int) -> None:
    few = asyncio.Semaphore(_AT_ONCE)

    async def ask(number: int) -> None:
        async with few, http.get(f"http://127.0.0.1:{port}/", headers={"host": f"service-{number:05}"}) as answer:
            assert answer.status == 200, answer.status

    async with asyncio.TaskGroup() as tasks:
        for number in range(edges):
            tasks.create_task(ask(number))


def lines(edges: int, quiet: Taken, counting: Taken) -> Iterator[str]:
    for name, without, with_it in zip(Taken._fields, quiet, counting, strict=True):
        more = with_it - without
        counted = f"{more / 1024 / edges:6.2f} KiB for each node to count it"
        yield f"{edges:6} nodes, {name:9}: {without / _MIB:7.1f} MiB, and {counted}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", default="100,1000,10000")
    for edges in map(int, parser.parse_args().edges.split(",")):
        with tempfile.TemporaryDirectory() as name:
            quiet = await taken(edges, Path(name) / "quiet", {"CROSSFADE_MESH_METRICS": "off"})
            counting = await taken(edges, Path(name) / "counting", {})
        for line in lines(edges, quiet, counting):
            print(line, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
