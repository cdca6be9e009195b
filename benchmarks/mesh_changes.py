"""What one change costs in a mesh: endpoints to many proxies, and a router among many.

    python -m benchmarks.mesh_changes [--services 200] [--proxies 100] [--routers 1000] [--nodes 0] [--rounds 100]

First: a mesh of that many services, whose proxies (ten to a virtual node) all call all of them; one EndpointSlice
changes, and the time runs from the watch event to the last proxy's ACK. The proxies are fakes in a process of their
own, whose CPU is told apart: with few cores it is part of the time. Then: that many VirtualRouters with five routes
each, which one proxy calls (and `--nodes` more, one each): a full compilation with encoding, and one changed router,
compiled and encoded, and to that proxy's ACK.
With `--proxies 0` or `--routers 0` the resident memory that is told is that of one part alone. Ends by itself.
"""

import argparse
import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from benchmarks.compare.ratios import percentile
from benchmarks.processes import ended_with_parent, memory

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.mesh import ArnScope, MeshCompiler
from crossfade.controller.mesh.loop import MeshLoop
from crossfade.controller.mesh.publication import MeshPublication
from crossfade.controller.mesh.role import KINDS
from crossfade.controller.sources import settled
from crossfade.store.cache import Cache
from crossfade.xds.server import AdsServer
from crossfade_kube.core import EndpointSlice, Service
from crossfade_kube.event_loop import new_event_loop
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import JsonObject
from crossfade_kube.watch import WatchEvent

PROXIES_OF_A_NODE = 10
CALLER = "caller"
SETTLED_S = 2.0
ROUTES = 5
Result = TypeVar("Result")
QUIET_S, MAX_UNREST_S = 0.01, 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--proxies", type=int, default=100)
    parser.add_argument("--routers", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=100)
    arguments = parser.parse_args()
    if arguments.proxies:
        what = f"one endpoint of {arguments.services} services to {arguments.proxies} proxies"
        found = as_controller(endpoints_measured(arguments.services, arguments.proxies, arguments.rounds))
        used = f"CPU a change: {found.cpu_ms:.1f} ms, and {found.fakes_ms:.1f} ms of the fakes"
        print(f"{what}: {shown(found.times)}; {used}; {found.resident_mib:.0f} MiB resident")
    if arguments.routers:
        what = f"{arguments.routers} routers, {ROUTES * arguments.routers} routes, {arguments.nodes} nodes more"
        routers = routers_measured(arguments.routers, arguments.nodes, arguments.rounds)
        live = as_controller(router_live(arguments.routers, arguments.nodes, min(arguments.rounds, 30)))
        print(f"{what}, one changed router live: {shown(live.times)}; CPU a change: {live.cpu_ms:.1f} ms")
        print(f"{what}, all compiled and encoded: {shown(routers.full)} CPU")
        print(f"{what}, one changed router: {shown(routers.changed)} CPU")
        print(f"{what}: {routers.resident_mib:.0f} MiB resident")


def as_controller(work: Coroutine[Any, Any, Result]) -> Result:
    """On an event loop like the controller's."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


class LiveChanges(NamedTuple):
    """`times` in seconds until the last proxy's ACK; CPU for one change."""

    times: list[float]
    cpu_ms: float
    fakes_ms: float
    resident_mib: float


class RouterChanges(NamedTuple):
    """Seconds of CPU: all compiled and encoded, and one changed router."""

    full: list[float]
    changed: list[float]
    resident_mib: float


# --- objects ---------------------------------------------------------------------------------------------------


class Store:
    """What a controller has seen."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.cache = Cache((*KINDS, Service, EndpointSlice), self.changed.set)
        self._version = 0

    def fill(self, kind: type[Any], items: Iterable[tuple[str, JsonObject]]) -> None:
        self.cache.sink(kind).replace([self._object(kind, name, body) for name, body in items])

    def change(self, kind: type[Any], name: str, body: JsonObject) -> None:
        self.cache.sink(kind).apply(WatchEvent("MODIFIED", self._object(kind, name, body)))

    def _object(self, kind: type[Any], name: str, body: JsonObject) -> JsonObject:
        self._version += 1
        metadata = {"name": name, "uid": name, "resourceVersion": str(self._version), **body.get("metadata", {})}
        namespace = {"namespace": "prod"} if kind.RESOURCE.namespaced else {}
        return {**body, "metadata": {**metadata, **namespace}}


def node(hostname: str, backends: Iterable[str] = ()) -> JsonObject:
    listeners = [{"portMapping": {"port": 9080, "protocol": "http"}}]
    wanted = [{"virtualService": {"virtualServiceRef": {"name": name}}} for name in backends]
    discovery = {"dns": {"hostname": hostname}}
    return {
        "spec": {"meshRef": {"name": "m"}, "listeners": listeners, "serviceDiscovery": discovery, "backends": wanted}
    }


def service_of_node(name: str) -> JsonObject:
    return {"spec": {"meshRef": {"name": "m"}, "provider": {"virtualNode": {"virtualNodeRef": {"name": name}}}}}


def service_of_router(name: str) -> JsonObject:
    return {"spec": {"meshRef": {"name": "m"}, "provider": {"virtualRouter": {"virtualRouterRef": {"name": name}}}}}


def kubernetes_service() -> JsonObject:
    return {"spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 9080}]}}


def endpoint_slice(service: str, number: int) -> JsonObject:
    addresses = [f"10.244.{number // 200 % 200}.{number % 200 + 1}", "10.244.250.1"]
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"port": 8080}],
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


def router(number: int, version: int) -> JsonObject:
    def route(index: int) -> JsonObject:
        targets = [
            {"virtualNodeRef": {"name": f"n{(number + part) % 100}"}, "weight": weight}
            for part, weight in ((0, 95), (1, 5))
        ]
        match = {"prefix": f"/path-{index}-{version}"}
        return {"name": f"r{index}", "httpRoute": {"match": match, "action": {"weightedTargets": targets}}}

    listeners = [{"portMapping": {"port": 9080, "protocol": "http"}}]
    return {"spec": {"meshRef": {"name": "m"}, "listeners": listeners, "routes": list(map(route, range(ROUTES)))}}


# --- endpoints -------------------------------------------------------------------------------------------------


class Changes:
    """As the controller gathers them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __aiter__(self) -> Any:
        while True:
            self._store.changed.clear()
            yield self._store.cache.snapshot()
            await self._store.changed.wait()
            await settled(self._store.changed, quiet_s=QUIET_S, max_unrest_s=MAX_UNREST_S)


async def endpoints_measured(services: int, proxies: int, rounds: int) -> LiveChanges:
    store, names = Store(), [f"s{number}" for number in range(services)]
    callers = [f"c{number}" for number in range(-(-proxies // PROXIES_OF_A_NODE))]
    store.fill(Mesh, [("m", {})])
    store.fill(Service, [(name, kubernetes_service()) for name in names])
    store.fill(EndpointSlice, [(name, endpoint_slice(name, 0)) for name in names])
    nodes = [(name, node(f"{name}.prod.svc.cluster.local")) for name in names]
    store.fill(VirtualNode, [*nodes, *((name, node(f"{name}.test", names)) for name in callers)])
    store.fill(VirtualService, [(name, service_of_node(name)) for name in names])
    paths = [f"mesh/m/virtualNode/{callers[number // PROXIES_OF_A_NODE]}_prod" for number in range(proxies)]

    def change(number: int) -> None:
        store.change(EndpointSlice, "s7", endpoint_slice("s7", number))

    return await _live(store, paths, "endpoints", change, rounds)


async def router_live(routers: int, more_nodes: int, rounds: int) -> LiveChanges:
    """One changed router, to the ACK of the proxy that calls all of them."""
    store = router_store(routers, more_nodes)

    def change(number: int) -> None:
        store.change(VirtualRouter, "r7", router(7, number))

    return await _live(store, [f"mesh/m/virtualNode/{CALLER}_prod"], "routes", change, rounds)


async def _live(
    store: Store, paths: Sequence[str], kind: str, change: Callable[[int], None], rounds: int
) -> LiveChanges:
    """`paths` of the nodes whose proxies are there; `kind` of resources that each change sends to all of them."""
    loop = MeshLoop(Changes(store), scope=ArnScope(), log=EventLog("benchmark"))
    task = asyncio.create_task(loop.run())

    async def authenticate(metadata: dict[str, str]) -> str:
        return paths[int(metadata["number"])]

    server = await AdsServer.start(publisher=loop.publisher, address="127.0.0.1:0", authenticate=authenticate)
    process = await asyncio.create_subprocess_exec(
        *ended_with_parent((sys.executable, "-m", "benchmarks.fake_proxies", str(server.port), str(len(paths)), kind)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    _, fakes_before = await _settled(process.stdout)
    gc.freeze()
    times, cpu, fakes = [], time.process_time(), 0.0
    for number in range(1, rounds + 1):
        await asyncio.sleep(0.05)
        started = time.monotonic()
        change(number)
        at, fakes = await last_acknowledged(process.stdout)
        times.append(at - started)
    used_ms = (time.process_time() - cpu) / rounds * 1000
    fakes_ms = (fakes - fakes_before) / rounds * 1000
    found = LiveChanges(times, used_ms, fakes_ms, memory(os.getpid()).rss)
    process.terminate()
    await process.wait()
    await server.stop()
    task.cancel()
    return found


async def _settled(lines: asyncio.StreamReader) -> tuple[float, float]:
    """When nothing more has come for a while: what there is at first may take several responses."""
    last = await last_acknowledged(lines)
    while True:
        try:
            async with asyncio.timeout(SETTLED_S):
                last = await last_acknowledged(lines)
        except TimeoutError:
            return last


async def last_acknowledged(lines: asyncio.StreamReader) -> tuple[float, float]:
    """When the last proxy did, and the CPU time that all have used."""
    at, used = (await lines.readline()).split()
    return float(at), float(used)


# --- routers ---------------------------------------------------------------------------------------------------


def router_store(routers: int, more_nodes: int) -> Store:
    store, names = Store(), [f"r{number}" for number in range(routers)]
    store.fill(Mesh, [("m", {})])
    targets = [f"n{number}" for number in range(100)]
    store.fill(Service, [(name, kubernetes_service()) for name in targets])
    store.fill(EndpointSlice, [(name, endpoint_slice(name, 0)) for name in targets])
    nodes = [(name, node(f"{name}.prod.svc.cluster.local")) for name in targets]
    more = [
        (f"more{number}", node(f"more{number}.prod.svc.cluster.local", [names[number % routers]]))
        for number in range(more_nodes)
    ]
    store.fill(VirtualNode, [*nodes, (CALLER, node("caller.test", names)), *more])
    store.fill(VirtualService, [(name, service_of_router(name)) for name in names])
    store.fill(VirtualRouter, [(name, router(number, 0)) for number, name in enumerate(names)])
    return store


def routers_measured(routers: int, more_nodes: int, rounds: int) -> RouterChanges:
    store = router_store(routers, more_nodes)
    # As in the controller: no garbage is collected while it compiles for the first time, and what it has then stays.
    gc.disable()
    compiler, publication = _fresh()
    full = [_measured(compiler, publication, store)]
    used_mib = memory(os.getpid()).rss
    gc.freeze()
    full += [_measured(*_fresh(), store) for _ in range(4)]
    gc.enable()
    changed = []
    for number in range(min(rounds, 30)):
        store.change(VirtualRouter, "r7", router(7, number + 1))
        changed.append(_measured(compiler, publication, store))
    return RouterChanges(full, changed, used_mib)


def _fresh() -> tuple[MeshCompiler, MeshPublication]:
    gc.collect()
    return MeshCompiler(ArnScope()), MeshPublication(on_found=lambda _: None)


def _measured(compiler: MeshCompiler, publication: MeshPublication, store: Store) -> float:
    """CPU time, for it does not depend on what else the machine does."""
    started = time.process_time()
    publication.publish(compiler.compile(store.cache.snapshot(), {}), 0)
    return time.process_time() - started


def shown(times: list[float]) -> str:
    p50, p99 = (percentile(times, hundredth) * 1000 for hundredth in (50, 99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


if __name__ == "__main__":
    main()
