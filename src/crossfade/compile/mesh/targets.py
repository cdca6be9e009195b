"""Third pass: a virtual node's listener as the cluster that its clients use (appmesh.md §3.1, §3.7, §3.9)."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from crossfade.api.appmesh import VirtualNode
from crossfade.api.appmesh.virtual_node import Listener
from crossfade.api.appmesh.virtual_router import WeightedTarget
from crossfade.api.bounds import PORT, Misfit
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import names
from crossfade.compile.mesh.choices import LOAD_BALANCING, ZONES
from crossfade.compile.mesh.discovery import cluster_discovery
from crossfade.compile.mesh.links import NODE_CLUSTER_PATH, Links
from crossfade.compile.mesh.membership import Refusal
from crossfade.compile.mesh.timing import health_check, outlier_detection
from crossfade.compile.model import Algorithm, Balancing, Cluster, Discovery, Protocol, ReachedNode
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Destination
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

_CONNECT_TIMEOUT_S: Final = 1.0


class Target(Struct, frozen=True):
    """A weighted target after linking."""

    destination: Destination
    cluster: Cluster


class TargetScope(Struct, frozen=True):
    """Who asks: the object and JSON path that mention the targets, its mesh, and the protocol it speaks."""

    ref: ObjectRef
    path: str
    mesh: str
    namespace: str
    protocol: str


def linked_targets(
    targets: Iterable[WeightedTarget], scope: TargetScope, links: Links, diagnostics: Diagnostics
) -> tuple[Target, ...]:
    """A target that cannot be reached keeps its weight: its share fails in sight instead of moving elsewhere."""
    linked = []
    for index, target in enumerate(targets):
        field = f"{scope.path}.action.weightedTargets[{index}]"
        cluster = _cluster_of(target, scope, links)
        if isinstance(cluster, Refusal):
            diagnostics.error(
                scope.ref,
                "route.unknown-target",
                cluster.reason,
                effect=f"its share of the traffic (weight {target.weight}) is answered with 503",
                field=field,
            )
            cluster = unresolved(scope.mesh, Origin(scope.ref, field))
        linked.append(Target(Destination(cluster.name, target.weight), cluster))
    return tuple(linked)


def _cluster_of(target: WeightedTarget, scope: TargetScope, links: Links) -> Cluster | Refusal:
    node = links.node(target, scope.namespace)
    if isinstance(node, Refusal):
        return node
    listener = _listener_of(node, target.port)
    if isinstance(listener, Refusal):
        return listener
    mapping = listener.port_mapping
    if mapping.protocol != scope.protocol:
        return Refusal(
            f"virtualNode {node.metadata.key} speaks {mapping.protocol} on port {mapping.port}, "
            f"the route {scope.protocol}"
        )
    return node_cluster(node, listener, scope.mesh, links)


def _listener_of(node: VirtualNode, port: int | None) -> Listener | Refusal:
    listeners, key = node.spec.listeners, node.metadata.key
    if not listeners:
        return Refusal(f"virtualNode {key} has no listener")
    if not port:
        if len(listeners) > 1:
            return Refusal(f"virtualNode {key} has several listeners, so the target must name a port")
        return listeners[0]
    found = next((listener for listener in listeners if listener.port_mapping.port == port), None)
    return found or Refusal(f"virtualNode {key} has no listener on port {port}")


def node_cluster(node: VirtualNode, listener: Listener, mesh: str, links: Links) -> Cluster | Refusal:
    """How clients reach that listener."""
    mapping = listener.port_mapping
    key = (node.metadata.key, mapping.port, mapping.protocol)
    found = links.clusters.get(key)
    if found is None:
        found = links.clusters[key] = _made_cluster(node, listener, mesh, links)
    return found


def _made_cluster(node: VirtualNode, listener: Listener, mesh: str, links: Links) -> Cluster | Refusal:
    mapping = listener.port_mapping
    if isinstance(misfit := PORT.check(mapping.port), Misfit):
        return Refusal(f"the port of virtualNode {node.metadata.key} cannot be used: {misfit}")
    found = cluster_discovery(node, mapping.port, links)
    if isinstance(found, Refusal):
        return found
    return Cluster(
        name=names.remote_cluster(mesh, node.aws_name, mapping.protocol, mapping.port),
        discovery=found.kind,
        endpoints=found.endpoints,
        origin=Origin(typed_ref(node), NODE_CLUSTER_PATH),
        protocol=Protocol(mapping.protocol),
        connect_timeout_s=_CONNECT_TIMEOUT_S,
        balancing=_balancing(node),
        health_check=health_check(listener),
        outlier_detection=outlier_detection(listener.outlier_detection),
        mesh_tls=links.identities.offered(node, listener, links.secrets),
        shares_endpoints=found.kind is Discovery.EDS,
        reaches=ReachedNode(node.metadata.name, node.metadata.namespace, node.aws_name),
        prefers_own_zone=found.kind is Discovery.EDS and ZONES.of_either(node, links.mesh) == "prefer-own",
    )


def _balancing(node: VirtualNode) -> Balancing:
    by_requests = LOAD_BALANCING.of(node) == "least-request"
    return Balancing(Algorithm.LEAST_REQUEST) if by_requests else Balancing()


def unresolved(mesh: str, origin: Origin) -> Cluster:
    """Answers 503 to whatever is sent there."""
    return Cluster(names.unresolved_cluster(mesh), Discovery.STATIC, (), Origin(origin.ref))
