"""What a request costs on its way through gateway and mesh: CPU of all proxies, with the gateway's sidecar and without.

    python -m benchmarks.whole_path [--rounds 8] [--seconds 2] [--connections 16]

Needs `wrk`. A client asks a gateway for a virtual service, as in the walkthrough: strip-path, the service's full name
as Host, a router with two targets. In the shape `sidecar` the gateway's proxy connects to a sidecar, which chooses the
target; in `merged` it chooses by itself. Both then come to the same sidecar of the virtual node, and through it to an
application, whose CPU is not counted. There is no iptables between them: a sidecar costs some more in a cluster. One
worker for each proxy. Each round measures all shapes one after the other, in changing order, so that foreign load hits
all; ratios are medians of those of the rounds.
"""

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.gateway_policies import Upstream, cpu_seconds, requests_answered, started
from msgspec import structs
from tests.e2e.policy_module.harness import tables
from tests.support.envoy import Harness, running_envoy
from tests.support.mesh_gateway import KINDS, MeshGateway, Shape, mesh_gateway
from tests.support.ports import free_ports

from crossfade.compile.mesh_native import OwnNode
from crossfade.compile.model import Cluster, Direction, Endpoint, ProxyModel
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import decode_known

Json = dict[str, Any]
HOST: Final = "jazz.prod.svc.cluster.local"
PATH: Final = "/dj/jazz/x"
# The port that the virtual node's sidecar listens on: what its own listener would be redirected to.
(_NODE_PORT,) = free_ports(1)


def manifests() -> list[Json]:
    def of_mesh(kind: str, name: str, spec: Json) -> Json:
        metadata = {"name": name} if kind == "Mesh" else {"name": name, "namespace": "prod"}
        own = spec if kind == "Mesh" else {"meshRef": {"name": "m"}, **spec}
        return {"apiVersion": "appmesh.k8s.aws/v1beta2", "kind": kind, "metadata": metadata, "spec": own}

    def node(name: str) -> Json:
        mapping = {"portMapping": {"port": _NODE_PORT, "protocol": "http"}}
        return of_mesh(
            "VirtualNode", name, {"listeners": [mapping], "serviceDiscovery": {"dns": {"hostname": "127.0.0.1"}}}
        )

    targets = [{"virtualNodeRef": {"name": name}, "weight": weight} for name, weight in (("v1", 95), ("v2", 5))]
    route = {"name": "all", "httpRoute": {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}
    listener = {"portMapping": {"port": 9080, "protocol": "http"}}
    annotations = {"ingress.kubernetes.io/service-upstream": "true", "konghq.com/host-header": HOST}
    noted = {"konghq.com/strip-path": "true", "konghq.com/preserve-host": "false"}
    backend = {"service": {"name": "jazz", "port": {"number": 9080}}}
    path = {"path": "/dj/jazz", "pathType": "ImplementationSpecific", "backend": backend}
    return [
        of_mesh("Mesh", "m", {"namespaceSelector": {}}),
        of_mesh("VirtualNode", "kong", {"backends": [{"virtualService": {"virtualServiceRef": {"name": "jazz"}}}]}),
        node("v1"),
        node("v2"),
        of_mesh("VirtualRouter", "jazz", {"listeners": [listener], "routes": [route]}),
        of_mesh(
            "VirtualService",
            "jazz",
            {"awsName": HOST, "provider": {"virtualRouter": {"virtualRouterRef": {"name": "jazz"}}}},
        ),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "jazz", "namespace": "prod", "annotations": annotations},
            "spec": {"ports": [{"name": "http", "port": 9080}]},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "jazz", "namespace": "prod", "annotations": noted},
            "spec": {"ingressClassName": "kong", "rules": [{"http": {"paths": [path]}}]},
        },
    ]


def inbound(application: int) -> ProxyModel:
    """The sidecar of v1 without its way out, on its node's port; its application is at another one."""
    snapshot = Snapshot.of([found for one in manifests() if (found := decode_known(one, KINDS)) is not None])
    sidecar = OwnNode("mesh/m/virtualNode/v1_prod", "cluster.local").sidecar(snapshot)
    assert sidecar is not None
    model = sidecar.model
    (listener,) = [one for one in model.listeners if one.direction is Direction.INBOUND]
    chains = tuple(structs.replace(chain, destination_port=None) for chain in listener.chains)
    moved = structs.replace(
        listener, address="127.0.0.1", port=_NODE_PORT, chains=chains, restores_original_destination=False
    )
    clusters = tuple(_at(cluster, application) for cluster in model.clusters if "ingress" in cluster.name)
    routes = tuple(table for table in model.route_tables if "ingress" in table.name)
    return ProxyModel((moved,), routes, clusters)


def _at(cluster: Cluster, port: int) -> Cluster:
    return structs.replace(cluster, endpoints=(Endpoint("127.0.0.1", port),))


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Harness, Mapping[Shape, MeshGateway]]]:
    async with AsyncExitStack() as stack:
        folders = [folder / "app", folder / "node", *(folder / shape for shape in Shape)]
        for one in folders:
            await asyncio.to_thread(one.mkdir)
        application = stack.enter_context(started(Upstream(folders[0], 1, tables([]))))
        node = await stack.enter_async_context(running_envoy(folders[1]))
        node.publish(inbound(application.port))
        shapes = {}
        for shape, own in zip(Shape, folders[2:], strict=True):
            shapes[shape] = await stack.enter_async_context(mesh_gateway(shape, own))
            await shapes[shape].apply(manifests(), {PATH: 200})
        yield node, shapes


async def measured(rounds: int, seconds: int, connections: int) -> dict[Shape, list[float]]:
    """Microseconds of CPU per request, all proxies together, by shape and round."""
    found: dict[Shape, list[float]] = {shape: [] for shape in Shape}
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as (node, shapes):
            for number in range(rounds + 1):
                order = list(Shape) if number % 2 else list(reversed(Shape))
                for shape in order:
                    pids = (*shapes[shape].pids, node.pid)
                    before = sum(map(cpu_seconds, pids))
                    requests = await asyncio.to_thread(
                        requests_answered, shapes[shape].port, PATH, [], seconds=seconds, connections=connections
                    )
                    # The first round warms up.
                    found[shape] += [(sum(map(cpu_seconds, pids)) - before) / requests * 1e6] if number else []
    return found


def report(found: Mapping[Shape, list[float]]) -> str:
    ratios = [one / other for one, other in zip(found[Shape.MERGED], found[Shape.SIDECAR], strict=True)]
    lines = [f"{shape:8} {statistics.median(times):7.1f} µs of CPU a request" for shape, times in found.items()]
    quarters = statistics.quantiles(ratios, n=4)
    low, high = quarters[0], quarters[-1]
    return "\n".join(
        [*lines, f"merged ÷ sidecar: {statistics.median(ratios):.2f} (middle half of rounds {low:.2f}–{high:.2f})"]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=16)
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("--rounds: at least 2, to tell how far they differ")
    if shutil.which("wrk") is None:
        print("wrk is not installed", file=sys.stderr)
        return 1
    print(report(asyncio.run(measured(arguments.rounds, arguments.seconds, arguments.connections))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
