"""What a request costs on its way through gateway and mesh: CPU of all proxies, with the gateway's sidecar and without.

    python -m benchmarks.whole_path [--rounds 8] [--seconds 2] [--connections 16]

Needs `wrk`. A client asks a gateway for a virtual service, as in the walkthrough: strip-path, the service's full name
as Host, a router with two targets. In the shape `sidecar` the gateway's proxy connects to a sidecar, which chooses the
target; in `merged` it chooses by itself; `merged-h2` is that with HTTP/2 between the proxies. All then come to the same
sidecar of the virtual node, and through it to an application, whose CPU is not counted. There is no iptables between
them: a sidecar costs some more in a cluster. One worker for each proxy. Each round measures all shapes one after the
other, in changing order, so that foreign load hits all; ratios are medians of those of the rounds.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from benchmarks.load import Upstream, missing_programs, requests_answered, started
from benchmarks.processes import cpu_seconds_of_all
from msgspec import structs
from tests.e2e.policy_module.harness import tables
from tests.support.envoy import Harness, running_envoy
from tests.support.mesh_gateway import KINDS, MeshGateway, Shape, mesh_gateway
from tests.support.ports import free_ports

from crossfade.compile.mesh.choices import HTTP2_BETWEEN_PROXIES
from crossfade.compile.mesh.sidecars import SIDECAR_ANNOTATION, sidecar_text
from crossfade.compile.mesh_native import OwnNode
from crossfade.compile.model import Cluster, Direction, Endpoint, ProxyModel
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import decode_known

Json = dict[str, Any]
HOST: Final = "jazz.prod.svc.cluster.local"
PATH: Final = "/dj/jazz/x"
# The port that the virtual node's sidecar listens on: what its own listener would be redirected to.
(_NODE_PORT,) = free_ports(1)


class Way(StrEnum):
    """How a gateway's requests get to a virtual node."""

    SIDECAR = "sidecar"
    MERGED = "merged"
    MERGED_H2 = "merged-h2"

    @property
    def shape(self) -> Shape:
        return Shape.SIDECAR if self is Way.SIDECAR else Shape.MERGED


def manifests(*, http2: bool = False) -> list[Json]:
    asked = {HTTP2_BETWEEN_PROXIES.key: "enabled" if http2 else "disabled"}

    def of_mesh(kind: str, name: str, spec: Json) -> Json:
        metadata = {"name": name, "annotations": asked} if kind == "Mesh" else {"name": name, "namespace": "prod"}
        own = spec if kind == "Mesh" else {"meshRef": {"name": "m"}, **spec}
        return {"apiVersion": "appmesh.k8s.aws/v1beta2", "kind": kind, "metadata": metadata, "spec": own}

    def node(name: str) -> list[Json]:
        """With a pod, whose sidecar takes its port."""
        mapping = {"portMapping": {"port": _NODE_PORT, "protocol": "http"}}
        found = {"dns": {"hostname": f"{name}.prod.svc.cluster.local"}}
        metadata = {"name": name, "namespace": "prod"}
        sidecar = {SIDECAR_ANNOTATION: sidecar_text(f"mesh/m/virtualNode/{name}_prod", str(_NODE_PORT))}
        ends = [{"addresses": ["127.0.0.1"], "targetRef": {"kind": "Pod", "name": name}}]
        return [
            of_mesh("VirtualNode", name, {"listeners": [mapping], "serviceDiscovery": found}),
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"clusterIP": "None"}},
            {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "annotations": sidecar}},
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**metadata, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "endpoints": ends,
            },
        ]

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
        *node("v1"),
        *node("v2"),
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
async def running(folder: Path) -> AsyncIterator[tuple[Harness, Mapping[Way, MeshGateway]]]:
    async with AsyncExitStack() as stack:
        folders = [folder / "app", folder / "node", *(folder / way for way in Way)]
        for one in folders:
            await asyncio.to_thread(one.mkdir)
        application = stack.enter_context(started(Upstream(folders[0], 1, tables([]))))
        node = await stack.enter_async_context(running_envoy(folders[1], has_library=True))
        node.publish(inbound(application.port))
        gateways = {}
        for way, own in zip(Way, folders[2:], strict=True):
            gateways[way] = await stack.enter_async_context(mesh_gateway(way.shape, own))
            await gateways[way].apply(manifests(http2=way is Way.MERGED_H2), {PATH: 200})
        yield node, gateways


async def measured(rounds: int, seconds: int, connections: int) -> dict[Way, list[float]]:
    """Microseconds of CPU per request, all proxies together, by way and round."""
    found: dict[Way, list[float]] = {way: [] for way in Way}
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as (node, gateways):
            for number in range(rounds + 1):
                order = list(Way) if number % 2 else list(reversed(Way))
                for way in order:
                    pids = (*gateways[way].pids, node.pid)
                    before = cpu_seconds_of_all(pids)
                    url = f"http://127.0.0.1:{gateways[way].port}{PATH}"
                    requests = await asyncio.to_thread(requests_answered, url, seconds=seconds, connections=connections)
                    # The first round warms up.
                    found[way] += [(cpu_seconds_of_all(pids) - before) / requests * 1e6] if number else []
    return found


def report(found: Mapping[Way, list[float]]) -> str:
    lines = [f"{way:9} {statistics.median(times):7.1f} µs of CPU a request" for way, times in found.items()]
    for way in (Way.MERGED, Way.MERGED_H2):
        ratios = [one / other for one, other in zip(found[way], found[Way.SIDECAR], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        median = statistics.median(ratios)
        lines.append(f"{way} ÷ sidecar: {median:.2f} (middle half of rounds {low:.2f}–{high:.2f})")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=16)
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("--rounds: at least 2, to tell how far they differ")
    if missing := missing_programs():
        print(missing, file=sys.stderr)
        return 2
    print(report(asyncio.run(measured(arguments.rounds, arguments.seconds, arguments.connections))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
