"""Third pass: a virtual node's listener as the cluster that its clients use (appmesh.md §3.1, §3.7, §3.9)."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from crossfade.api.appmesh import VirtualNode
from crossfade.api.appmesh.virtual_node import Listener
from crossfade.api.appmesh.virtual_router import WeightedTarget
from crossfade.api.bounds import PORT, Misfit, host_name, is_ip_address
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import names
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.membership import Refusal
from crossfade.compile.mesh.timing import health_check, outlier_detection
from crossfade.compile.model import Cluster, Discovery, Endpoint, Protocol
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
    return node_cluster(node, listener, scope.mesh)


def _listener_of(node: VirtualNode, port: int | None) -> Listener | Refusal:
    listeners, key = node.spec.listeners, node.metadata.key
    if not listeners:
        return Refusal(f"virtualNode {key} has no listener")
    if port is None:
        if len(listeners) > 1:
            return Refusal(f"virtualNode {key} has several listeners, so the target must name a port")
        return listeners[0]
    found = next((listener for listener in listeners if listener.port_mapping.port == port), None)
    return found or Refusal(f"virtualNode {key} has no listener on port {port}")


def node_cluster(node: VirtualNode, listener: Listener, mesh: str) -> Cluster | Refusal:
    """How clients reach that listener."""
    discovery = node.spec.service_discovery
    if discovery is None or discovery.dns is None:
        return Refusal(f"virtualNode {node.metadata.key} has no dns service discovery")
    mapping, hostname = listener.port_mapping, discovery.dns.hostname
    if isinstance(misfit := PORT.check(mapping.port), Misfit):
        return Refusal(f"the port of virtualNode {node.metadata.key} cannot be used: {misfit}")
    kind = Discovery.STRICT_DNS if discovery.dns.response_type == "ENDPOINTS" else Discovery.LOGICAL_DNS
    if is_ip_address(hostname):
        kind = Discovery.STATIC
    elif isinstance(wrong := host_name(hostname), Misfit):
        return Refusal(f"the dns hostname of virtualNode {node.metadata.key} cannot be used: {wrong}")
    else:
        # The trailing dot keeps the pod's DNS search path out of it.
        hostname = hostname.rstrip(".") + "."
    return Cluster(
        name=names.remote_cluster(mesh, node.aws_name, mapping.protocol, mapping.port),
        discovery=kind,
        endpoints=(Endpoint(hostname, mapping.port),),
        origin=Origin(typed_ref(node), "spec.serviceDiscovery"),
        protocol=Protocol(mapping.protocol),
        connect_timeout_s=_CONNECT_TIMEOUT_S,
        health_check=health_check(listener),
        outlier_detection=outlier_detection(listener.outlier_detection),
    )


def unresolved(mesh: str, origin: Origin) -> Cluster:
    """Answers 503 to whatever is sent there."""
    return Cluster(names.unresolved_cluster(mesh), Discovery.STATIC, (), Origin(origin.ref))
