"""What memory a gateway and a sidecar take: alone, with 1 000 routes, and with 1 000 endpoints.

    python -m benchmarks.memory [--count 1000] [--write]

Each is started anew, waits until it serves the last of what it was given, and is then looked at: its resident memory,
and PSS, in which what it shares with other processes counts in parts: of the program's text a part for each Envoy that
runs on the machine. Envoy has one worker. The gateway is `crossfade gateway run` on a folder of
manifests: Envoy's memory and that of its control plane stand apart. Routes are Ingresses with a host each; in a mesh
VirtualRouters with five each, of which all are backends. Ends by itself, within half a minute.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
from benchmarks import mesh_changes, scale
from benchmarks.compare.machine import machine, today
from benchmarks.figures import keep
from benchmarks.processes import Memory, children, memory, run_bounded
from msgspec import structs
from tests.support.envoy import PROXY, Harness, running_envoy, until
from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.model import Direction, Listener
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.shared_endpoints import encode
from crossfade.policy_module.path import policy_library_path
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import EndpointSlice, Service

LONGEST_S: Final = 240.0
CALLER: Final = "mesh/m/virtualNode/caller_prod"
COUNT: Final = 1000
PORT: Final = 9080
SHAPES: Final = ("alone", "routes", "endpoints")
Row = dict[str, Any]


# --- the gateway -----------------------------------------------------------------------------------------------------


def slice_of(service: str, count: int) -> str:
    """With so many addresses, of which nobody is at any."""
    ends = "".join(f"- {{addresses: [{_address(number)}]}}\n" for number in range(count))
    return (
        "apiVersion: v1\nkind: Service\n"
        f"metadata: {{name: {service}}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n---\n"
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
        f"metadata: {{name: {service}-1, labels: {{kubernetes.io/service-name: {service}}}}}\n"
        f"addressType: IPv4\nports: [{{name: http, port: 9}}]\nendpoints:\n{ends}---\n"
    )


def _address(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


def gateway(shape: str, count: int) -> tuple[Memory, Memory]:
    """Of Envoy, and of the control plane."""
    routes, endpoints = (count if shape == name else 1 for name in ("routes", "endpoints"))
    hosts = scale.Shape("hosts", routes)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "all.yaml").write_text(slice_of("up", endpoints) + ingress("first", "/first", "up"))
        for number in range(routes):
            (folder / f"o{number}.yaml").write_text(hosts.content(number, 0))
        with running_gateway(folder) as running:
            last = hosts.request(routes - 1, 0)
            _until_refused(running, last.path, {"Host": last.host})
            (envoy,) = children(running.process.pid)
            return memory(envoy), memory(running.process.pid)


def _until_refused(running: RunningGateway, path: str, headers: dict[str, str]) -> None:
    """Nobody is there to answer: the gateway says 502 once it has the route, and 404 before."""
    eventually(lambda: running.ask("GET", path, headers).status == 502, within_s=scale.START_WITHIN_S)


# --- a sidecar -------------------------------------------------------------------------------------------------------


async def sidecar(shape: str, count: int) -> Memory:
    routers = count // mesh_changes.ROUTES if shape == "routes" else 1
    endpoints = count if shape == "endpoints" else 1
    with tempfile.TemporaryDirectory() as directory:
        async with running_envoy(Path(directory)) as harness, aiohttp.ClientSession() as http:
            publish(harness, routers, endpoints)

            async def knows_the_last() -> bool:
                return await _status(http, harness.port, f"r{routers - 1}.prod") == 503

            await until(knows_the_last, within_s=scale.START_WITHIN_S)
            return memory(harness.pid)


async def _status(http: aiohttp.ClientSession, port: int, host: str) -> int:
    try:
        async with http.get(f"http://127.0.0.1:{port}/path-0-0", headers={"Host": host}) as response:
            return response.status
    except aiohttp.ClientConnectionError:
        return 0


def publish(harness: Harness, routers: int, endpoints: int) -> None:
    """What the caller of that many routers gets; its listener is where applications would be redirected to."""
    model = compile_mesh(_objects(routers, endpoints), ArnScope())
    proxy = model.proxies[CALLER]
    chains = (chain for one in proxy.listeners for chain in one.chains if chain.destination_port == PORT)
    chain = structs.replace(next(chains), destination_port=None)
    listener = Listener("outbound", "127.0.0.1", harness.port, Direction.OUTBOUND, (chain,))
    options = EnvoyOptions(policy_library_path())
    resources = resources_from_model(structs.replace(proxy, listeners=(listener,)), options=options)
    shared = {cluster.endpoints_name for cluster in proxy.clusters if cluster.shares_endpoints}
    found = model.endpoints["m"]
    own = {name: encode(name, found[name]) for name in shared}
    harness.publisher.publish(PROXY, resources.with_all(ResourceType.ENDPOINTS, own))


def _objects(routers: int, endpoints: int) -> Snapshot:
    store = mesh_changes.Store()
    names, nodes = ([f"{letter}{number}" for number in range(count)] for letter, count in (("r", routers), ("n", 100)))
    ends = [{"addresses": [_address(number)]} for number in range(endpoints)]
    slices = [
        (name, mesh_changes.endpoint_slice(name, 0) | {"endpoints": ends[: None if name == "n0" else 1]})
        for name in nodes
    ]
    store.fill(Mesh, [("m", {})])
    store.fill(Service, [(name, mesh_changes.kubernetes_service()) for name in nodes])
    store.fill(EndpointSlice, slices)
    hosts = [(name, mesh_changes.node(f"{name}.prod.svc.cluster.local")) for name in nodes]
    store.fill(VirtualNode, [*hosts, ("caller", mesh_changes.node("caller.test", names))])
    store.fill(VirtualService, [(name, mesh_changes.service_of_router(name)) for name in names])
    store.fill(VirtualRouter, [(name, mesh_changes.router(number, 0)) for number, name in enumerate(names)])
    return store.cache.snapshot()


# --- all -------------------------------------------------------------------------------------------------------------


def measured(count: int) -> Iterator[Row]:
    gateways = {shape: gateway(shape, count) for shape in SHAPES}
    for place, what in enumerate(("gateway: Envoy", "gateway: control plane")):
        yield {"what": what, **{shape: found[place]._asdict() for shape, found in gateways.items()}}
    yield {"what": "sidecar: Envoy", **{shape: asyncio.run(sidecar(shape, count))._asdict() for shape in SHAPES}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.write and options.count != COUNT:
        parser.error(f"--write: the page tells what {COUNT} take")
    code = run_bounded("benchmarks.memory", LONGEST_S)
    if code is not None:
        return code
    rows = list(measured(options.count))
    for row in rows:
        found = (f"{shape} {row[shape]['rss']:.1f} MiB, PSS {row[shape]['pss']:.1f}" for shape in SHAPES)
        print(f"{row['what']:24} {'; '.join(found)}")
    if options.write:
        keep("memory", {"date": today(), **machine(), "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
