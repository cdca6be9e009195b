"""A virtual gateway as one proxy in two stages, as App Mesh built it (appmesh.md §3.11).

Stage one listens on the gateway's ports, picks a gateway route and rewrites host and path; stage two, on loopback,
holds the virtual services with their routers' routes.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import structs

from crossfade.api.appmesh import GatewayRoute
from crossfade.api.appmesh.virtual_gateway import GatewayListener
from crossfade.api.bounds import PORT, Misfit
from crossfade.compile.mesh import names
from crossfade.compile.mesh.gateway_links import (
    LOOP_PORTS,
    LOOP_PROTOCOLS,
    MARKED_LOOP_PORTS,
    GatewayScope,
    LinkedRoute,
    domains,
    linked_routes,
    refuse,
)
from crossfade.compile.mesh.gateway_routes import LOWEST_PRIORITY, Entry
from crossfade.compile.mesh.matches import specificity
from crossfade.compile.mesh.shadows import shadowed
from crossfade.compile.mesh.timing import circuit_breakers
from crossfade.compile.mesh.tls import secured
from crossfade.compile.model import (
    Cluster,
    Dialect,
    Direction,
    Discovery,
    Endpoint,
    FilterChain,
    HttpHandler,
    Listener,
    Protocol,
    ProxyModel,
)
from crossfade.compile.routing.matches import HeaderMatch, StringMatch, StringMatchKind
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.retry import MARK_HEADER
from crossfade.compile.routing.routes import (
    Destination,
    Forward,
    HostRewrite,
    HostRewriteKind,
    Route,
    RouteTable,
    VirtualHost,
    filters_of,
)
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref

_LOOPBACK: Final = "127.0.0.1"
# Tells stage two which virtual service is meant where the host name does not (appmesh.md §3.11).
_MARK_HEADER: Final = "x-app-mesh-virtual-service"
_CONNECT_TIMEOUT_S: Final = 0.25


def compile_gateway(routes: Iterable[GatewayRoute], scope: GatewayScope) -> ProxyModel:
    linked = linked_routes(routes, scope)
    served = [
        listener for index, listener in enumerate(scope.gateway.spec.listeners) if _is_served(listener, index, scope)
    ]
    for index, listener in enumerate(scope.gateway.spec.listeners):
        _check_health_check(listener, index, scope)
    for found in linked:
        _check_listener(found, served, scope)
    chosen = [_chosen(listener, linked) for listener in served]
    _check_shadows(chosen, scope)
    stages = (_first_stage(listener, routes, scope) for listener, routes in zip(served, chosen, strict=True))
    first = [stage for stage in stages if stage is not None]
    spoken = {LOOP_PORTS[listener.port_mapping.protocol] for listener in served}
    marked = {found.loop for found in linked if found.mark and LOOP_PORTS[found.protocol] in spoken}
    second = [_second_stage(port, linked, scope) for port in sorted(spoken | marked)]
    clusters = {cluster.name: cluster for found in linked for cluster in found.plan.clusters}
    clusters |= {cluster.name: cluster for _, _, loops in first for cluster in loops}
    return ProxyModel(
        listeners=(*(listener for listener, _, _ in first), *(listener for listener, _ in second)),
        route_tables=(*(table for _, table, _ in first), *(table for _, table in second)),
        clusters=tuple(cluster for _, cluster in sorted(clusters.items())),
    )


def _check_listener(found: LinkedRoute, served: Sequence[GatewayListener], scope: GatewayScope) -> None:
    if served and not any(_takes(listener, found) for listener in served):
        port = f" on port {found.port}" if found.port else ""
        problem = f"the route is for {found.protocol}{port}, which no listener of the gateway has"
        refuse(found.route, "gateway-route.no-listener", problem, "match.port" if found.port else "", scope)


def _takes(listener: GatewayListener, found: LinkedRoute) -> bool:
    mapping = listener.port_mapping
    return mapping.protocol == found.protocol and found.port in (None, 0, mapping.port)


def _chosen(listener: GatewayListener, linked: Iterable[LinkedRoute]) -> list[LinkedRoute]:
    """In the order in which they are tried."""
    return sorted((found for found in linked if _takes(listener, found)), key=_precedence)


def _check_shadows(chosen: Sequence[Sequence[LinkedRoute]], scope: GatewayScope) -> None:
    """A route that gets requests on one of the listeners has an effect."""
    hidden: dict[NamespacedName, list[LinkedRoute]] = {}
    for routes in chosen:
        matches = ((found, [entry.match for entry in found.entries]) for found in routes)
        for found, earlier in shadowed(matches):
            hidden.setdefault(found.route.metadata.key, []).append(earlier)
    for found in {found.route.metadata.key: found for routes in chosen for found in routes}.values():
        earlier_ones = hidden.get(found.route.metadata.key, [])
        if earlier_ones and len(earlier_ones) == sum(found in routes for routes in chosen):
            _tell_shadowed(found.route, earlier_ones[0].route, scope)


def _tell_shadowed(route: GatewayRoute, earlier: GatewayRoute, scope: GatewayScope) -> None:
    """The younger of the two is told: the other one's author has done nothing."""
    if route.metadata.age > earlier.metadata.age:
        problem = f"{typed_ref(earlier)} comes first and has the same conditions"
        refuse(route, "gateway-route.shadowed", problem, "", scope)
        return
    scope.diagnostics.warning(
        typed_ref(earlier),
        "gateway-route.shadows",
        f"{typed_ref(route)} has the same conditions and comes later",
        effect="that one gets no request any more",
        hint="remove one of the two, or change priority or conditions",
    )


# --- stage one -------------------------------------------------------------------------------------------------


def _is_served(listener: GatewayListener, index: int, scope: GatewayScope) -> bool:
    earlier = scope.gateway.spec.listeners[:index]
    field, port = f"spec.listeners[{index}]", listener.port_mapping.port
    if isinstance(misfit := PORT.check(port), Misfit):
        problem, effect = misfit.problem, "the listener has no effect"
        scope.diagnostics.error(typed_ref(scope.gateway), "listener.port", problem, effect=effect, field=field)
        return False
    if any(other.port_mapping.port == port for other in earlier):
        problem, effect = f"port {port} is listed twice", "the later listener has no effect"
        scope.diagnostics.error(
            typed_ref(scope.gateway), "listener.duplicate-port", problem, effect=effect, field=field
        )
        return False
    return True


def _check_health_check(listener: GatewayListener, index: int, scope: GatewayScope) -> None:
    """Nodes are checked by those that call them; a gateway is called from outside of the mesh."""
    if listener.health_check is not None:
        scope.diagnostics.warning(
            typed_ref(scope.gateway),
            "listener.gateway-health-check",
            "no proxy of a mesh calls a virtual gateway, so none checks its health",
            effect="the listener is not checked",
            hint="give the gateway's pods a readiness probe and remove the field",
            field=f"spec.listeners[{index}].healthCheck",
        )


def _first_stage(
    listener: GatewayListener, chosen: Sequence[LinkedRoute], scope: GatewayScope
) -> tuple[Listener, RouteTable, list[Cluster]] | None:
    """`chosen` are the listener's routes in the order in which they are tried. None: the port stays closed."""
    mapping = listener.port_mapping
    ports = {LOOP_PORTS[mapping.protocol], *(found.loop for found in chosen)}
    loops = {port: _loop_cluster(listener, port, scope) for port in sorted(ports)}
    routes = tuple(_route(found, entry, loops[found.loop].name) for found in chosen for entry in found.entries)
    table = RouteTable(
        names.inbound_routes(mapping.protocol, mapping.port), (VirtualHost("self_redirect", ("*",), routes),)
    )
    handler = HttpHandler(
        table.name, "ingress", Dialect.APP_MESH, Protocol(mapping.protocol), access_log=scope.access_log
    )
    chain = FilterChain(f"{mapping.protocol}_{mapping.port}", handler, origin=Origin(typed_ref(scope.gateway)))
    chains = _secured(chain, listener, scope)
    if not chains:
        return None
    name = f"lds_ingress_0.0.0.0_{mapping.port}"
    made = Listener(name, "0.0.0.0", mapping.port, Direction.INBOUND, chains, counts_connections=True)
    return made, table, list(loops.values())


def _secured(chain: FilterChain, listener: GatewayListener, scope: GatewayScope) -> tuple[FilterChain, ...]:
    place = Origin(typed_ref(scope.gateway), f"spec.listeners[{scope.gateway.spec.listeners.index(listener)}]")
    return secured(
        chain,
        listener.tls,
        place,
        port=listener.port_mapping.port,
        secrets=scope.links.secrets,
        diagnostics=scope.diagnostics,
    )


def _precedence(found: LinkedRoute) -> tuple[object, ...]:
    """Of equals the older keeps what it has."""
    priority = LOWEST_PRIORITY if found.route.spec.priority is None else found.route.spec.priority
    return priority, *specificity(found.entries[-1].match), found.route.metadata.age


def _route(found: LinkedRoute, entry: Entry, cluster: str) -> Route:
    forward = Forward(
        (Destination(cluster),),
        # The service's own timeouts hold in stage two.
        timeout_s=None,
        host=HostRewrite() if found.keeps_host else HostRewrite(HostRewriteKind.LITERAL, found.host),
        prefix_rewrite=entry.prefix_rewrite,
        path_rewrite=entry.path_rewrite,
        request_headers=((_MARK_HEADER, found.mark),) if found.mark else (),
    )
    return Route(found.route.aws_name, entry.match, forward, Origin(typed_ref(found.route)))


def _loop_cluster(listener: GatewayListener, loop: int, scope: GatewayScope) -> Cluster:
    """The listener's connection pool limits what passes through the gateway, in each of its loops."""
    mapping, pool = listener.port_mapping, listener.connection_pool
    part = f"_{mapping.port}" if len(scope.gateway.spec.listeners) > 1 else ""
    return Cluster(
        name=names.loop_cluster(scope.mesh, scope.gateway.aws_name, f"{part}_{mapping.protocol}_{loop}"),
        discovery=Discovery.STATIC,
        endpoints=(Endpoint(_LOOPBACK, loop),),
        origin=Origin(typed_ref(scope.gateway)),
        protocol=Protocol(mapping.protocol),
        connect_timeout_s=_CONNECT_TIMEOUT_S,
        circuit_breakers=circuit_breakers(getattr(pool, mapping.protocol) if pool else None),
    )


# --- stage two -------------------------------------------------------------------------------------------------


def _second_stage(port: int, linked: Sequence[LinkedRoute], scope: GatewayScope) -> tuple[Listener, RouteTable]:
    own = [found for found in linked if found.loop == port]
    protocol = LOOP_PROTOCOLS[port]
    hosts = (_marked_host(own),) if port in MARKED_LOOP_PORTS.values() else _hosts(port, own)
    table = RouteTable(names.outbound_routes(protocol, port), hosts, hidden_headers=(MARK_HEADER,))
    handler = HttpHandler(
        table.name,
        "egress",
        Dialect.APP_MESH,
        Protocol(protocol),
        access_log=scope.access_log,
        filters=filters_of(route for host in hosts for route in host.routes),
    )
    chain = FilterChain(f"{protocol}_{port}", handler, origin=Origin(typed_ref(scope.gateway)))
    return Listener(f"lds_egress_{_LOOPBACK}_{port}", _LOOPBACK, port, Direction.OUTBOUND, (chain,)), table


def _hosts(port: int, linked: Sequence[LinkedRoute]) -> tuple[VirtualHost, ...]:
    services = {found.host.lower(): found for found in linked}
    return tuple(
        VirtualHost(found.host, domains(found.host, port), found.plan.routes, Origin(found.service))
        for _, found in sorted(services.items())
    )


def _marked_host(linked: Sequence[LinkedRoute]) -> VirtualHost:
    services = {found.mark: found for found in linked}
    routes = (_marked_route(route, mark) for mark, found in sorted(services.items()) for route in found.plan.routes)
    return VirtualHost("default_backend", ("*",), tuple(routes))


def _marked_route(route: Route, mark: str) -> Route:
    """Nobody behind the gateway sees the mark."""
    wanted = HeaderMatch(_MARK_HEADER, (StringMatch(StringMatchKind.EXACT, mark),))
    match = structs.replace(route.match, headers=(wanted, *route.match.headers))
    action = route.action
    if isinstance(action, Forward):
        action = structs.replace(action, removed_request_headers=(*action.removed_request_headers, _MARK_HEADER))
    return structs.replace(route, match=match, action=action)
