"""Fifth pass: what a virtual service does on each of its provider's ports (appmesh.md §1.5, §3.2)."""

from collections.abc import Mapping

from crossfade.api.appmesh import VirtualNode, VirtualRouter, VirtualService
from crossfade.api.bounds import PORT, Misfit
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.membership import Refusal
from crossfade.compile.mesh.model import PortPlan, ServicePlan
from crossfade.compile.mesh.targets import node_cluster, unresolved
from crossfade.compile.mesh.timing import DEFAULT_RETRY, REQUEST_TIMEOUT_S, TCP_IDLE_TIMEOUT_S
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Destination, Forward, Route
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref


def provider_of(service: VirtualService, links: Links) -> VirtualNode | VirtualRouter | Refusal | None:
    """None: nobody provides it, which is allowed."""
    provider, namespace = service.spec.provider, service.metadata.namespace
    if provider is None or (provider.virtual_node is None and provider.virtual_router is None):
        return None
    if provider.virtual_node is not None and provider.virtual_router is not None:
        return Refusal("the provider is both a virtualNode and a virtualRouter")
    if provider.virtual_node is not None:
        return links.node(provider.virtual_node, namespace)
    return links.router(provider.virtual_router, namespace) if provider.virtual_router else None


def compile_service(
    service: VirtualService,
    links: Links,
    *,
    mesh: str,
    routers: Mapping[NamespacedName, tuple[PortPlan, ...]],
    diagnostics: Diagnostics,
) -> ServicePlan:
    """`routers` are the plans of the mesh's routers; `mesh` is its awsName."""
    ref, provider = typed_ref(service), provider_of(service, links)
    if isinstance(provider, Refusal):
        diagnostics.error(
            ref,
            "service.unknown-provider",
            provider.reason,
            effect="calls to it are not routed",
            field="spec.provider",
        )
        return unprovided(service, links)
    if isinstance(provider, VirtualRouter):
        return ServicePlan(ref, service.aws_name, routers[provider.metadata.key])
    if isinstance(provider, VirtualNode):
        return ServicePlan(ref, service.aws_name, _node_plans(provider, service, links, mesh, diagnostics))
    return unprovided(service, links)


def unprovided(service: VirtualService, links: Links) -> ServicePlan:
    found = links.kubernetes_service(service.aws_name)
    ports = (port.port for port in found.spec.ports if port.protocol == "TCP") if found is not None else ()
    usable = sorted({port for port in ports if not isinstance(PORT.check(port), Misfit)})
    return ServicePlan(typed_ref(service), service.aws_name, service_ports=tuple(usable))


def _node_plans(
    node: VirtualNode, service: VirtualService, links: Links, mesh: str, diagnostics: Diagnostics
) -> tuple[PortPlan, ...]:
    """A node as provider takes everything, with fixed timeouts: who needs others puts a router in between."""
    origin = Origin(typed_ref(service), "spec.provider.virtualNode")
    if not node.spec.listeners:
        diagnostics.error(
            origin.ref,
            "service.no-listener",
            f"virtualNode {node.metadata.key} has no listener",
            effect="calls to it are not routed",
            field=origin.path,
        )
    plans: list[PortPlan] = []
    for listener in node.spec.listeners:
        port = listener.port_mapping.port
        # Both are told of the node.
        if isinstance(PORT.check(port), Misfit) or any(plan.port == port for plan in plans):
            continue
        cluster = node_cluster(node, listener, mesh, links)
        if isinstance(cluster, Refusal):
            diagnostics.error(
                origin.ref, "service.no-discovery", cluster.reason, effect="its requests get 503", field=origin.path
            )
            cluster = unresolved(mesh, origin)
        destinations = (Destination(cluster.name),)
        mapping = listener.port_mapping
        if mapping.protocol == "tcp":
            plan = PortPlan(
                mapping.port,
                mapping.protocol,
                destinations=destinations,
                idle_timeout_s=TCP_IDLE_TIMEOUT_S,
                clusters=(cluster,),
            )
        else:
            forward = Forward(destinations, timeout_s=REQUEST_TIMEOUT_S, retry=DEFAULT_RETRY)
            route = Route(node.aws_name, RouteMatch(), forward, origin)
            plan = PortPlan(mapping.port, mapping.protocol, routes=(route,), clusters=(cluster,))
        plans.append(plan)
    return tuple(plans)
