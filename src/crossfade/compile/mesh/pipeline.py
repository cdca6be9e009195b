"""The ordered passes from App Mesh objects to one proxy model per virtual node and virtual gateway."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from msgspec import structs

from crossfade.api.appmesh import GatewayRoute, Mesh, VirtualGateway, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.mesh import names
from crossfade.compile.mesh.access_logs import access_log
from crossfade.compile.mesh.acm import UsedCertificate
from crossfade.compile.mesh.admit import Members, admit
from crossfade.compile.mesh.backends import backends_seen, linked_backends
from crossfade.compile.mesh.carried import asks_for_http2, check_carriage, with_carriage
from crossfade.compile.mesh.choices import (
    HEADER_CASE,
    HTTP2_BETWEEN_PROXIES,
    LOAD_BALANCING,
    SHORT_NAMES,
    STATUSES_BY_CLUSTER,
    ZONES,
    wants_http2,
)
from crossfade.compile.mesh.cloud_map import InstancesByName, Registration, registration_of, uses_cloud_map
from crossfade.compile.mesh.discovery import (
    check_discovery,
    check_service_ports,
    cluster_discovery,
    endpoint_sources,
    service_behind,
)
from crossfade.compile.mesh.endpoints import NO_INSTANCES, Source, SourcesByCluster, compile_endpoints
from crossfade.compile.mesh.gateway_links import GatewayScope, service_seen
from crossfade.compile.mesh.gateway_members import routes_by_gateway
from crossfade.compile.mesh.gateways import compile_gateway
from crossfade.compile.mesh.identities import check_issuer, check_mode
from crossfade.compile.mesh.inbound import InboundScope, compile_inbound
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.model import MeshModel, PortPlan, ServicePlan
from crossfade.compile.mesh.names import ArnScope
from crossfade.compile.mesh.outbound import OutboundScope, compile_outbound
from crossfade.compile.mesh.routers import compile_router
from crossfade.compile.mesh.selectors import check_selectors
from crossfade.compile.mesh.service_extensions import extended
from crossfade.compile.mesh.service_names import ANY_CLUSTER, ClusterView, check_endpoints_annotation
from crossfade.compile.mesh.services import compile_service, provider_of
from crossfade.compile.mesh.states import object_states
from crossfade.compile.mesh.statistics import counting
from crossfade.compile.mesh.zones import NO_ZONES, pod_zones
from crossfade.compile.model import Cluster, HeaderCase, IpFamily, ProxyModel
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace, Secret, Service
from crossfade_kube.meta import NamespacedName, ObjectRef
from crossfade_kube.registry import typed_ref

_PROXY_STAYS: Final = "its pods keep the configuration that they have"
_NOT_ROUTED: Final = "what is sent to it is not routed"
_IP_FAMILIES: Final = {"IPv4_ONLY": IpFamily.V4, "IPv6_ONLY": IpFamily.V6}


class _Owned(NamedTuple):
    owner: ObjectRef
    proxy: ProxyModel | None


class Scope(NamedTuple):
    """Of one mesh in one compilation."""

    members: Members
    links: Links
    snapshot: Snapshot
    cluster: ClusterView
    memo: Memo
    diagnostics: Diagnostics

    @property
    def mesh(self) -> str:
        return self.members.mesh.aws_name


def compile_mesh(snapshot: Snapshot, scope: ArnScope, cluster: ClusterView = ANY_CLUSTER) -> MeshModel:
    """Never raises for what users write: what cannot be kept ends in a diagnostic of the object at fault."""
    return with_endpoints(compile_routing(snapshot, scope, cluster, Memo()), snapshot, Memo())


def needs_pods(snapshot: Snapshot) -> bool:
    """Whether anything of its meshes depends on pods themselves."""
    return uses_cloud_map(snapshot) or asks_for_http2(snapshot)


def with_endpoints(
    routing: MeshModel, snapshot: Snapshot, memo: Memo, foreign: InstancesByName = NO_INSTANCES
) -> MeshModel:
    """`routing` is what `compile_routing` gave, for this snapshot or for one that differs in endpoints only."""
    diagnostics = Diagnostics()
    memo.begin()
    found = compile_endpoints(routing.sources, routing.registrations, snapshot, memo, diagnostics, foreign)
    return structs.replace(
        routing,
        proxies=with_carriage(routing.proxies, found.carried, memo, diagnostics),
        endpoints=found.by_mesh,
        instances=found.instances,
        diagnostics=tuple(sorted({*routing.diagnostics, *diagnostics})) if len(diagnostics) else routing.diagnostics,
        faults=(*routing.faults, *diagnostics.faults),
        zones=None if routing.zones is None else pod_zones(snapshot, memo, diagnostics),
    )


def compile_routing(snapshot: Snapshot, scope: ArnScope, cluster: ClusterView, memo: Memo) -> MeshModel:
    """All but the endpoints of clusters that share them. `memo` is of one series of such compilations."""
    diagnostics = Diagnostics()
    memo.begin()
    meshes = admit(snapshot, memo, diagnostics)
    links = {name: Links(members, snapshot, cluster) for name, members in meshes.items()}
    found: dict[str, _Owned] = {}
    sources: dict[str, SourcesByCluster] = {}
    for name, members in meshes.items():
        _check_owner(members.mesh, scope, diagnostics)
        check_endpoints_annotation(members.mesh, diagnostics)
        SHORT_NAMES.check(members.mesh, diagnostics)
        check_mode(members.mesh, diagnostics)
        HEADER_CASE.check(members.mesh, diagnostics)
        ZONES.check(members.mesh, diagnostics)
        HTTP2_BETWEEN_PROXIES.check(members.mesh, diagnostics)
        STATUSES_BY_CLUSTER.check(members.mesh, diagnostics)
        check_issuer(members.mesh, diagnostics)
        check_selectors(members, snapshot, memo, diagnostics)
        within = Scope(members, links[name], snapshot, cluster, memo, diagnostics)
        found |= _proxies_of(within)
        sources[members.mesh.aws_name] = _remembered_sources(within)
    registrations = _remembered_registrations(tuple(meshes.values()), scope.region, memo, diagnostics)
    certificates = _remembered_certificates(meshes, links, snapshot, memo, diagnostics)
    states = object_states(snapshot, meshes, links, scope=scope, memo=memo, diagnostics=diagnostics)
    return MeshModel(
        proxies={path: one.proxy for path, one in found.items() if one.proxy is not None},
        owners={path: one.owner for path, one in found.items()},
        states=states,
        diagnostics=tuple(diagnostics),
        faults=tuple(diagnostics.faults),
        sources={mesh: found for mesh, found in sources.items() if found},
        registrations=registrations,
        zones=NO_ZONES if any(_prefers_zones(members, memo) for members in meshes.values()) else None,
        certificates=certificates,
    )


def _prefers_zones(members: Members, memo: Memo) -> bool:
    def some_node(_: Diagnostics) -> bool:
        return any(ZONES.of_either(node, members.mesh) != ZONES.values[0] for node in members.all(VirtualNode))

    seen = (members.mesh, members.all(VirtualNode))
    return memo.of(("zones", members.mesh.aws_name), seen, some_node, Diagnostics())


def _remembered_registrations(
    meshes: tuple[Members, ...], region: str, memo: Memo, diagnostics: Diagnostics
) -> tuple[Registration, ...]:
    seen = (one for members in meshes for one in (members.mesh, members.all(VirtualNode)))
    return memo.of("registrations", tuple(seen), partial(_registrations, meshes, region), diagnostics)


def _remembered_certificates(
    meshes: Mapping[str, Members],
    links: Mapping[str, Links],
    snapshot: Snapshot,
    memo: Memo,
    diagnostics: Diagnostics,
) -> tuple[UsedCertificate, ...]:
    owners = (members.all(kind) for members in meshes.values() for kind in (VirtualNode, VirtualGateway))

    def make(found: Diagnostics) -> tuple[UsedCertificate, ...]:
        return tuple(_certificates(meshes, links, found))

    return memo.of("certificates", (snapshot.all(Secret), *owners), make, diagnostics)


def _certificates(
    meshes: Mapping[str, Members], links: Mapping[str, Links], diagnostics: Diagnostics
) -> Iterator[UsedCertificate]:
    for name, members in meshes.items():
        owners: tuple[VirtualNode | VirtualGateway, ...] = (*members.all(VirtualNode), *members.all(VirtualGateway))
        for owner in owners if links[name].secrets.has_any else ():
            yield from isolated(
                partial(links[name].secrets.used_by, owner),
                otherwise=(),
                ref=typed_ref(owner),
                effect="nobody is told when its certificates end",
                diagnostics=diagnostics,
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


def _remembered_sources(scope: Scope) -> SourcesByCluster:
    members, links = scope.members, scope.links
    seen = (members.mesh, members.all(VirtualNode), scope.snapshot.all(Service), scope.cluster)
    return scope.memo.of(("sources", scope.mesh), seen, partial(_sources_of, members, links), scope.diagnostics)


def _sources_of(members: Members, links: Links, diagnostics: Diagnostics) -> SourcesByCluster:
    found: dict[str, Source] = {}
    for node in members.all(VirtualNode):
        found |= isolated(
            partial(_sources_of_node, node, members.mesh, links),
            otherwise={},
            ref=typed_ref(node),
            effect="other nodes cannot call this one",
            diagnostics=diagnostics,
        )
    return found


def _sources_of_node(node: VirtualNode, mesh: Mesh, links: Links) -> dict[str, Source]:
    return dict(endpoint_sources(node, mesh.aws_name, links, wants_http2=wants_http2(node, mesh)))


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


def _proxies_of(scope: Scope) -> dict[str, _Owned]:
    members, diagnostics = scope.members, scope.diagnostics
    nodes_seen = _nodes_seen(scope)
    plans = _service_plans(scope, nodes_seen)
    sidecars = _sidecars(scope, plans, nodes_seen)
    owners = scope.memo.of(
        ("owners", scope.mesh), (members.mesh, members.all(VirtualNode)), partial(_owners, members), diagnostics
    )
    found = {path: _Owned(owner, proxy) for (path, owner), proxy in zip(owners, sidecars, strict=True)}
    routes = routes_by_gateway(members, scope.snapshot, diagnostics)
    for gateway in members.all(VirtualGateway):
        own = routes.get(gateway.metadata.key, ())
        proxy = isolated(
            partial(_remembered_gateway, gateway, own, scope, plans, nodes_seen),
            otherwise=None,
            ref=typed_ref(gateway),
            effect=_PROXY_STAYS,
            diagnostics=diagnostics,
        )
        found[names.gateway_path(scope.mesh, gateway.aws_name)] = _Owned(typed_ref(gateway), proxy)
    return found


def _owners(members: Members, _: Diagnostics) -> tuple[tuple[str, ObjectRef], ...]:
    mesh = members.mesh.aws_name
    return tuple((names.node_path(mesh, node.aws_name), typed_ref(node)) for node in members.all(VirtualNode))


def _nodes_seen(scope: Scope) -> object:
    """One and the same object as long as references to nodes, and how these are found, cannot come to anything else."""
    snapshot, cluster = scope.snapshot, scope.cluster
    kinds = tuple(snapshot.all(kind) for kind in (Namespace, Mesh, VirtualNode))

    def facts(_: Diagnostics) -> frozenset[object]:
        return frozenset(_found_by(node, scope.links) for node in scope.members.all(VirtualNode))

    found_by = (*kinds, snapshot.all(Service), snapshot.all(Secret), cluster)
    found = scope.memo.of(("found", scope.mesh), found_by, facts, scope.diagnostics)
    return scope.memo.of(("seen", scope.mesh), (*kinds, cluster, found), lambda _: object(), scope.diagnostics)


def _found_by(node: VirtualNode, links: Links) -> tuple[object, ...]:
    """Whatever goes wrong here goes wrong again, and is told, where the node is used."""
    try:
        discovery = cluster_discovery(node, 1, links)
        service = service_behind(node, links)
        tls = tuple(links.identities.offered(node, listener, links.secrets) for listener in node.spec.listeners)
    except Exception as exc:
        return node.metadata.key, repr(exc)
    return node.metadata.key, discovery, service.spec.ports if service is not None else (), tls


def _remembered_gateway(
    gateway: VirtualGateway,
    routes: Sequence[GatewayRoute],
    scope: Scope,
    plans: Mapping[NamespacedName, ServicePlan],
    nodes_seen: object,
) -> ProxyModel:
    def make(diagnostics: Diagnostics) -> ProxyModel:
        log = access_log(gateway, diagnostics)
        proxy = compile_gateway(routes, GatewayScope(gateway, scope.mesh, scope.links, plans, log, diagnostics))
        return counting(scope.links.identities.identified(proxy, gateway), scope.members.mesh)

    seen = (one for route in routes for one in (route, service_seen(route, scope.links, plans)))
    inputs = (gateway, scope.members.mesh, nodes_seen, *scope.links.secrets.seen(gateway), *seen)
    return scope.memo.of(("gateway", gateway.metadata.key), inputs, make, scope.diagnostics)


def _service_plans(scope: Scope, nodes_seen: object) -> Mapping[NamespacedName, ServicePlan]:
    members, links = scope.members, scope.links

    def router_plans(router: VirtualRouter, diagnostics: Diagnostics) -> tuple[PortPlan, ...]:
        return isolated(
            partial(compile_router, router, scope.mesh, links, diagnostics),
            otherwise=(),
            ref=typed_ref(router),
            effect=_NOT_ROUTED,
            diagnostics=diagnostics,
        )

    rows = members.rows(VirtualRouter)
    made = scope.memo.each(("routers", scope.mesh), rows, (nodes_seen,), router_plans, scope.diagnostics)
    routers = dict(zip(members.keys(VirtualRouter), made, strict=True))

    def service_plan(service: VirtualService, *seen_and_diagnostics: Any) -> ServicePlan:
        ref, diagnostics = typed_ref(service), seen_and_diagnostics[-1]
        return isolated(
            partial(_service_plan, service, scope, routers, diagnostics),
            otherwise=ServicePlan(ref, service.aws_name),
            ref=ref,
            effect=_NOT_ROUTED,
            diagnostics=diagnostics,
        )

    seen = ((service, *_provider_seen(service, links, routers)) for service in members.all(VirtualService))
    plans = scope.memo.each(("services", scope.mesh), seen, (nodes_seen,), service_plan, scope.diagnostics)
    return dict(zip(members.keys(VirtualService), plans, strict=True))


def _service_plan(
    service: VirtualService,
    scope: Scope,
    routers: Mapping[NamespacedName, tuple[PortPlan, ...]],
    diagnostics: Diagnostics,
) -> ServicePlan:
    plan = compile_service(service, scope.links, mesh=scope.mesh, routers=routers, diagnostics=diagnostics)
    return extended(plan, service, scope.mesh, scope.links, diagnostics)


def _provider_seen(
    service: VirtualService, links: Links, routers: Mapping[NamespacedName, tuple[PortPlan, ...]]
) -> tuple[object, ...]:
    """All that a plan depends on, besides the service itself and the nodes."""
    try:
        provider = provider_of(service, links)
    except Exception as exc:
        # It goes wrong again, and is told, where the plan is made.
        return (repr(exc),)
    if isinstance(provider, VirtualRouter):
        return provider.metadata.key, routers[provider.metadata.key]
    if isinstance(provider, VirtualNode):
        return (provider,)
    behind = provider.reason if provider is not None else None
    return behind, links.kubernetes_service(service.aws_name)


def _sidecars(
    scope: Scope, plans: Mapping[NamespacedName, ServicePlan], nodes_seen: object
) -> tuple[ProxyModel | None, ...]:
    """One for each node of the mesh."""
    members, links = scope.members, scope.links

    def sidecar(node: VirtualNode, *seen_and_diagnostics: Any) -> ProxyModel | None:
        diagnostics = seen_and_diagnostics[-1]
        return isolated(
            partial(_sidecar, node, members, links, plans, diagnostics),
            otherwise=None,
            ref=typed_ref(node),
            effect=_PROXY_STAYS,
            diagnostics=diagnostics,
        )

    def seen(node: VirtualNode) -> tuple[object, ...]:
        try:
            return node, *links.secrets.seen(node), *backends_seen(node, members, links, plans)
        except Exception as exc:
            # It goes wrong again, and is told, where the sidecar is made.
            return node, repr(exc)

    shared = (members.mesh, nodes_seen)
    inputs = map(seen, members.all(VirtualNode))
    return scope.memo.each(("sidecars", scope.mesh), inputs, shared, sidecar, scope.diagnostics)


def _sidecar(
    node: VirtualNode,
    members: Members,
    links: Links,
    plans: Mapping[NamespacedName, ServicePlan],
    diagnostics: Diagnostics,
) -> ProxyModel:
    check_discovery(node, links, diagnostics)
    check_service_ports(node, links, diagnostics)
    LOAD_BALANCING.check(node, diagnostics)
    check_mode(node, diagnostics)
    HEADER_CASE.check(node, diagnostics)
    ZONES.check(node, diagnostics)
    check_carriage(node, links, diagnostics)
    mesh = members.mesh
    log = access_log(node, diagnostics)
    app_address = "::1" if links.ip_preference == "IPv6_ONLY" else "127.0.0.1"
    case = HeaderCase(HEADER_CASE.of_either(node, mesh))
    inward = InboundScope(mesh.aws_name, app_address, log, links.secrets, links.identities, diagnostics, case)
    inbound = compile_inbound(node, inward)
    backends = linked_backends(node, members, links, plans=plans, diagnostics=diagnostics)
    domain = links.cluster.domain if SHORT_NAMES.of(mesh) == "enabled" else None
    allows_all = mesh.allows_all_egress
    scope = OutboundScope(node, mesh.aws_name, links, allows_all, log, diagnostics, domain, header_case=case)
    outbound = compile_outbound(backends, scope)
    proxy = ProxyModel(
        listeners=(*inbound.listeners, outbound.listener),
        route_tables=(*inbound.route_tables, *outbound.route_tables),
        clusters=(*inbound.clusters, *_in_family(outbound.clusters, links.ip_preference)),
    )
    return counting(links.identities.identified(proxy, node), mesh)


def _in_family(clusters: Iterable[Cluster], preference: str | None) -> Iterable[Cluster]:
    """The very same clusters where nothing is preferred: they need not be encoded for each proxy."""
    family = _IP_FAMILIES.get(preference or "")
    return clusters if family is None else (structs.replace(cluster, ip_family=family) for cluster in clusters)
