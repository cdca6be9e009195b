"""The ordered passes from App Mesh objects to one proxy model per virtual node and virtual gateway."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple

from msgspec import structs

from crossfade.api.appmesh import GatewayRoute, Mesh, VirtualGateway, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.mesh import names
from crossfade.compile.mesh.access_logs import access_log
from crossfade.compile.mesh.admit import Members, admit
from crossfade.compile.mesh.backends import linked_backends
from crossfade.compile.mesh.cloud_map import Registration, registration_of
from crossfade.compile.mesh.discovery import check_discovery, check_service_ports, endpoint_sources
from crossfade.compile.mesh.endpoints import Source, SourcesByCluster, compile_endpoints
from crossfade.compile.mesh.gateway_links import GatewayScope
from crossfade.compile.mesh.gateway_members import routes_by_gateway
from crossfade.compile.mesh.gateways import compile_gateway
from crossfade.compile.mesh.inbound import compile_inbound
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.model import MeshModel, PortPlan, ServicePlan
from crossfade.compile.mesh.names import ArnScope
from crossfade.compile.mesh.outbound import OutboundScope, compile_outbound
from crossfade.compile.mesh.routers import compile_router
from crossfade.compile.mesh.service_names import ANY_CLUSTER, ClusterView, check_endpoints_annotation
from crossfade.compile.mesh.services import compile_service
from crossfade.compile.mesh.states import object_states
from crossfade.compile.model import Cluster, IpFamily, ProxyModel
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import NamespacedName, ObjectRef
from crossfade_kube.registry import typed_ref

_PROXY_STAYS: Final = "its pods keep the configuration that they have"
_NOT_ROUTED: Final = "what is sent to it is not routed"
_IP_FAMILIES: Final = {"IPv4_ONLY": IpFamily.V4, "IPv6_ONLY": IpFamily.V6}


class _Owned(NamedTuple):
    owner: ObjectRef
    proxy: ProxyModel | None


def compile_mesh(snapshot: Snapshot, scope: ArnScope, cluster: ClusterView = ANY_CLUSTER) -> MeshModel:
    """Never raises for what users write: what cannot be kept ends in a diagnostic of the object at fault."""
    return with_endpoints(compile_routing(snapshot, scope, cluster), snapshot, Memo())


def with_endpoints(routing: MeshModel, snapshot: Snapshot, memo: Memo) -> MeshModel:
    """`routing` is what `compile_routing` gave, for this snapshot or for one that differs in endpoints only."""
    diagnostics = Diagnostics()
    memo.begin()
    found = compile_endpoints(routing.sources, routing.registrations, snapshot, memo, diagnostics)
    return structs.replace(
        routing,
        endpoints=found.by_mesh,
        instances=found.instances,
        diagnostics=tuple(sorted({*routing.diagnostics, *diagnostics})) if len(diagnostics) else routing.diagnostics,
        faults=(*routing.faults, *diagnostics.faults),
    )


def compile_routing(snapshot: Snapshot, scope: ArnScope, cluster: ClusterView = ANY_CLUSTER) -> MeshModel:
    """All but the endpoints of clusters that share them."""
    diagnostics = Diagnostics()
    meshes = admit(snapshot, diagnostics)
    links = {name: Links(members, snapshot, cluster) for name, members in meshes.items()}
    found: dict[str, _Owned] = {}
    sources: dict[str, SourcesByCluster] = {}
    for name, members in meshes.items():
        _check_owner(members.mesh, scope, diagnostics)
        check_endpoints_annotation(members.mesh, diagnostics)
        found |= _proxies_of(members, links[name], snapshot, diagnostics)
        sources[members.mesh.aws_name] = _sources_of(members, links[name], diagnostics)
    registrations = _registrations(meshes.values(), scope.region, diagnostics)
    states = object_states(snapshot, meshes, links, scope=scope, diagnostics=diagnostics)
    return MeshModel(
        proxies={path: one.proxy for path, one in found.items() if one.proxy is not None},
        owners={path: one.owner for path, one in found.items()},
        states=states,
        diagnostics=tuple(diagnostics),
        faults=tuple(diagnostics.faults),
        sources={mesh: found for mesh, found in sources.items() if found},
        registrations=registrations,
    )


def _registrations(meshes: Iterable[Members], region: str, diagnostics: Diagnostics) -> tuple[Registration, ...]:
    found: list[Registration] = []
    for members in meshes:
        for node in members.all(VirtualNode):
            one = isolated(
                partial(registration_of, node, members.mesh.aws_name, region),
                otherwise=None,
                ref=typed_ref(node),
                effect="its pods are not registered",
                diagnostics=diagnostics,
            )
            found += [] if one is None else [one]
    return tuple(sorted(found, key=lambda one: (one.name, one.node)))


def _sources_of(members: Members, links: Links, diagnostics: Diagnostics) -> SourcesByCluster:
    found: dict[str, Source] = {}
    for node in members.all(VirtualNode):
        found |= isolated(
            partial(_sources_of_node, node, members.mesh.aws_name, links),
            otherwise={},
            ref=typed_ref(node),
            effect="other nodes cannot call this one",
            diagnostics=diagnostics,
        )
    return found


def _sources_of_node(node: VirtualNode, mesh: str, links: Links) -> dict[str, Source]:
    return dict(endpoint_sources(node, mesh, links))


def _check_owner(mesh: Mesh, scope: ArnScope, diagnostics: Diagnostics) -> None:
    owner = mesh.spec.mesh_owner
    if owner and owner != scope.account_id:
        diagnostics.warning(
            typed_ref(mesh),
            "mesh.owner",
            f"no mesh is shared between AWS accounts here, and none with {owner}",
            effect=f"the mesh is what this cluster holds, and its ARNs name account {scope.account_id}",
            hint="create here what the mesh has from elsewhere, and remove the field",
            field="spec.meshOwner",
        )


def _proxies_of(members: Members, links: Links, snapshot: Snapshot, diagnostics: Diagnostics) -> dict[str, _Owned]:
    mesh = members.mesh.aws_name
    plans = _service_plans(members, links, diagnostics)
    found: dict[str, _Owned] = {}
    for node in members.all(VirtualNode):
        proxy = isolated(
            partial(_sidecar, node, members, links, plans, diagnostics),
            otherwise=None,
            ref=typed_ref(node),
            effect=_PROXY_STAYS,
            diagnostics=diagnostics,
        )
        found[names.node_path(mesh, node.aws_name)] = _Owned(typed_ref(node), proxy)
    routes = routes_by_gateway(members, snapshot, diagnostics)
    for gateway in members.all(VirtualGateway):
        own = routes.get(gateway.metadata.key, ())
        proxy = isolated(
            partial(_gateway, gateway, own, members, links, plans, diagnostics),
            otherwise=None,
            ref=typed_ref(gateway),
            effect=_PROXY_STAYS,
            diagnostics=diagnostics,
        )
        found[names.gateway_path(mesh, gateway.aws_name)] = _Owned(typed_ref(gateway), proxy)
    return found


def _gateway(
    gateway: VirtualGateway,
    routes: Iterable[GatewayRoute],
    members: Members,
    links: Links,
    plans: Mapping[NamespacedName, ServicePlan],
    diagnostics: Diagnostics,
) -> ProxyModel:
    log = access_log(gateway, diagnostics)
    return compile_gateway(routes, GatewayScope(gateway, members.mesh.aws_name, links, plans, log, diagnostics))


def _service_plans(members: Members, links: Links, diagnostics: Diagnostics) -> Mapping[NamespacedName, ServicePlan]:
    mesh = members.mesh.aws_name
    routers: dict[NamespacedName, tuple[PortPlan, ...]] = {}
    for router in members.all(VirtualRouter):
        routers[router.metadata.key] = isolated(
            partial(compile_router, router, mesh, links, diagnostics),
            otherwise=(),
            ref=typed_ref(router),
            effect=_NOT_ROUTED,
            diagnostics=diagnostics,
        )
    plans: dict[NamespacedName, ServicePlan] = {}
    for service in members.all(VirtualService):
        ref = typed_ref(service)
        plans[service.metadata.key] = isolated(
            partial(compile_service, service, links, mesh=mesh, routers=routers, diagnostics=diagnostics),
            otherwise=ServicePlan(ref, service.aws_name),
            ref=ref,
            effect=_NOT_ROUTED,
            diagnostics=diagnostics,
        )
    return plans


def _sidecar(
    node: VirtualNode,
    members: Members,
    links: Links,
    plans: Mapping[NamespacedName, ServicePlan],
    diagnostics: Diagnostics,
) -> ProxyModel:
    check_discovery(node, links, diagnostics)
    check_service_ports(node, links, diagnostics)
    mesh = members.mesh
    log = access_log(node, diagnostics)
    inbound = compile_inbound(
        node,
        mesh=mesh.aws_name,
        app_address="::1" if links.ip_preference == "IPv6_ONLY" else "127.0.0.1",
        access_log=log,
        diagnostics=diagnostics,
    )
    backends = linked_backends(node, members, links, plans=plans, diagnostics=diagnostics)
    outbound = compile_outbound(backends, OutboundScope(node, mesh.aws_name, mesh.allows_all_egress, log, diagnostics))
    return ProxyModel(
        listeners=(*inbound.listeners, outbound.listener),
        route_tables=(*inbound.route_tables, *outbound.route_tables),
        clusters=(*inbound.clusters, *_in_family(outbound.clusters, links.ip_preference)),
    )


def _in_family(clusters: Iterable[Cluster], preference: str | None) -> Iterable[Cluster]:
    family = _IP_FAMILIES.get(preference or "", IpFamily.ANY)
    return (structs.replace(cluster, ip_family=family) for cluster in clusters)
