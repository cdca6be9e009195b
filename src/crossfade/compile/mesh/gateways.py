"""A virtual gateway as one proxy in two stages, as App Mesh built it (appmesh.md §3.11).

Stage one listens on the gateway's ports, picks a gateway route and rewrites host and path; stage two, on loopback,
holds the virtual services with their routers' routes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from crossfade.api.appmesh import GatewayRoute, VirtualGateway
from crossfade.api.appmesh.virtual_gateway import GatewayListener
from crossfade.api.bounds import PORT, Misfit
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import isolated
from crossfade.compile.mesh import names
from crossfade.compile.mesh.gateway_routes import LOWEST_PRIORITY, Entry, entries, route_kind
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.matches import Unusable, specificity
from crossfade.compile.mesh.membership import Refusal
from crossfade.compile.mesh.model import PortPlan, ServicePlan
from crossfade.compile.mesh.timing import circuit_breakers
from crossfade.compile.model import (
    AccessLog,
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
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import (
    Destination,
    Forward,
    HostRewrite,
    HostRewriteKind,
    Route,
    RouteTable,
    VirtualHost,
)
from crossfade_kube.meta import NamespacedName, ObjectRef
from crossfade_kube.registry import typed_ref

_LOOPBACK: Final = "127.0.0.1"
# HTTP/1.1 and HTTP/2 need a loop each.
_LOOP_PORTS: Final = {"http": 15001, "http2": 15002, "grpc": 15002}
_LOOP_PROTOCOLS: Final = {15001: "http", 15002: "http2"}
_CONNECT_TIMEOUT_S: Final = 0.25
_NO_EFFECT: Final = "the route has no effect"
_NO_TLS: Final = "DISABLED"


class GatewayScope(Struct, frozen=True):
    """`mesh` is the mesh's awsName; `plans` those of its virtual services."""

    gateway: VirtualGateway
    mesh: str
    links: Links
    plans: Mapping[NamespacedName, ServicePlan]
    access_log: AccessLog | None
    diagnostics: Diagnostics


class _Linked(Struct, frozen=True):
    """A gateway route with its service on one port."""

    route: GatewayRoute
    protocol: str
    port: int | None
    entries: tuple[Entry, ...]
    host: str
    service: ObjectRef
    plan: PortPlan


def compile_gateway(routes: Iterable[GatewayRoute], scope: GatewayScope) -> ProxyModel:
    linked = _agreeing([found for route in routes if (found := _isolated_route(route, scope))], scope)
    served = [
        listener for index, listener in enumerate(scope.gateway.spec.listeners) if _is_served(listener, index, scope)
    ]
    for index, listener in enumerate(scope.gateway.spec.listeners):
        _check_health_check(listener, index, scope)
    for found in linked:
        _check_listener(found, served, scope)
    first = [_first_stage(listener, linked, scope) for listener in served]
    loops = sorted({_LOOP_PORTS[listener.port_mapping.protocol] for listener in served})
    second = [_second_stage(port, linked, scope) for port in loops]
    clusters = {cluster.name: cluster for found in linked for cluster in found.plan.clusters}
    clusters |= {cluster.name: cluster for _, _, cluster in first}
    return ProxyModel(
        listeners=(*(listener for listener, _, _ in first), *(listener for listener, _ in second)),
        route_tables=(*(table for _, table, _ in first), *(table for _, table in second)),
        clusters=tuple(cluster for _, cluster in sorted(clusters.items())),
    )


# --- gateway routes --------------------------------------------------------------------------------------------


def _isolated_route(route: GatewayRoute, scope: GatewayScope) -> _Linked | None:
    return isolated(
        lambda: _linked(route, scope),
        otherwise=None,
        ref=typed_ref(route),
        effect=_NO_EFFECT,
        diagnostics=scope.diagnostics,
    )


def _linked(route: GatewayRoute, scope: GatewayScope) -> _Linked | None:
    kind = route_kind(route)
    if kind is None:
        _refuse(route, "gateway-route.kind", "exactly one of httpRoute, http2Route, grpcRoute must be given", "", scope)
        return None
    protocol, body = kind
    service = scope.links.service(body.action.target.virtual_service, route.metadata.namespace)
    if isinstance(service, Refusal):
        _refuse(route, "gateway-route.unknown-service", service.reason, "action.target.virtualService", scope)
        return None
    plan = _plan_of(scope.plans[service.metadata.key], body.action.target.port)
    if isinstance(plan, Refusal):
        _refuse(route, "gateway-route.port", plan.reason, "action.target", scope)
        return None
    if _demands_tls(scope.gateway, plan.port):
        problem = "the gateway's client policy demands TLS, which is not supported yet"
        _refuse(route, "gateway-route.tls-unsupported", problem, "", scope)
        return None
    try:
        found = entries(body)
    except Unusable as problem:
        _refuse(route, "gateway-route.unusable", str(problem), problem.field, scope)
        return None
    return _Linked(route, protocol, body.match.port, found, service.aws_name, typed_ref(service), plan)


def _plan_of(service: ServicePlan, port: int | None) -> PortPlan | Refusal:
    plans = [plan for plan in service.ports if plan.protocol != "tcp" and port in (None, plan.port)]
    if len(plans) == 1:
        return plans[0]
    if not plans:
        wanted = f" on port {port}" if port else ""
        return Refusal(f"virtualService {service.host} has no HTTP listener{wanted}")
    return Refusal(f"virtualService {service.host} has several listeners, so the target must name a port")


def _demands_tls(gateway: VirtualGateway, port: int) -> bool:
    defaults = gateway.spec.backend_defaults
    policy = defaults.client_policy if defaults else None
    tls = policy.tls if policy else None
    return tls is not None and tls.is_enforced and (not tls.ports or port in tls.ports)


def _agreeing(linked: list[_Linked], scope: GatewayScope) -> list[_Linked]:
    """Stage two knows a service by its host name alone, so all routes must mean the same port of it."""
    kept: list[_Linked] = []
    ports: dict[tuple[int, str], int] = {}
    hosts: dict[tuple[int, str], str] = {}
    # The older route wins, so that a new one never takes anything from those that work.
    for found in sorted(linked, key=lambda found: found.route.metadata.age):
        loop, host = _LOOP_PORTS[found.protocol], found.host.lower()
        domains = [(loop, domain) for domain in _domains(host, loop)]
        if any(hosts.get(domain, host) != host for domain in domains):
            problem = f"{found.host} cannot be told from another service of the gateway's routes on another port"
            _refuse(found.route, "gateway-route.host-conflict", problem, "action.target.virtualService", scope)
        elif ports.setdefault((loop, host), found.plan.port) != found.plan.port:
            problem = f"another route of the gateway sends {found.host} to port {ports[loop, host]}"
            _refuse(found.route, "gateway-route.port-conflict", problem, "action.target.port", scope)
        else:
            hosts.update(dict.fromkeys(domains, host))
            kept.append(found)
    return kept


def _domains(host: str, port: int) -> tuple[str, str]:
    return host, f"{host}:{port}"


def _refuse(route: GatewayRoute, code: str, problem: str, field: str, scope: GatewayScope) -> None:
    scope.diagnostics.error(typed_ref(route), code, problem, effect=_NO_EFFECT, field=field)


def _check_listener(found: _Linked, served: Sequence[GatewayListener], scope: GatewayScope) -> None:
    if served and not any(_takes(listener, found) for listener in served):
        port = f" on port {found.port}" if found.port else ""
        problem = f"the route is for {found.protocol}{port}, which no listener of the gateway has"
        _refuse(found.route, "gateway-route.no-listener", problem, "match.port" if found.port else "", scope)


def _takes(listener: GatewayListener, found: _Linked) -> bool:
    mapping = listener.port_mapping
    return mapping.protocol == found.protocol and found.port in (None, 0, mapping.port)


# --- stage one -------------------------------------------------------------------------------------------------


def _is_served(listener: GatewayListener, index: int, scope: GatewayScope) -> bool:
    mode = listener.tls.mode if listener.tls else _NO_TLS
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
    if mode == _NO_TLS:
        return True
    is_open = mode == "PERMISSIVE"
    scope.diagnostics.error(
        typed_ref(scope.gateway),
        "listener.tls-unsupported",
        "TLS on virtual gateways is not supported yet",
        effect=f"port {port} "
        + ("takes plain text only" if is_open else "is closed, since plain text would not be safe"),
        hint="set tls.mode to DISABLED",
        field=f"{field}.tls",
    )
    return is_open


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
    listener: GatewayListener, linked: Sequence[_Linked], scope: GatewayScope
) -> tuple[Listener, RouteTable, Cluster]:
    mapping = listener.port_mapping
    cluster = _loop_cluster(listener, scope)
    chosen = sorted((found for found in linked if _takes(listener, found)), key=_precedence)
    routes = tuple(_route(found, entry, cluster.name) for found in chosen for entry in found.entries)
    table = RouteTable(
        names.inbound_routes(mapping.protocol, mapping.port), (VirtualHost("self_redirect", ("*",), routes),)
    )
    handler = HttpHandler(
        table.name, "ingress", Dialect.APP_MESH, Protocol(mapping.protocol), access_log=scope.access_log
    )
    chain = FilterChain(f"{mapping.protocol}_{mapping.port}", handler, origin=Origin(typed_ref(scope.gateway)))
    name = f"lds_ingress_0.0.0.0_{mapping.port}"
    return Listener(name, "0.0.0.0", mapping.port, Direction.INBOUND, (chain,)), table, cluster


def _precedence(found: _Linked) -> tuple[int, int, int, NamespacedName]:
    """The name makes it definite."""
    priority = LOWEST_PRIORITY if found.route.spec.priority is None else found.route.spec.priority
    return priority, *specificity(found.entries[-1].match), found.route.metadata.key


def _route(found: _Linked, entry: Entry, cluster: str) -> Route:
    forward = Forward(
        (Destination(cluster),),
        # The service's own timeouts hold in stage two.
        timeout_s=None,
        host=HostRewrite(HostRewriteKind.LITERAL, found.host),
        prefix_rewrite=entry.path_rewrite,
    )
    return Route(found.route.aws_name, entry.match, forward, Origin(typed_ref(found.route)))


def _loop_cluster(listener: GatewayListener, scope: GatewayScope) -> Cluster:
    """The listener's connection pool limits what passes through the gateway."""
    mapping, pool = listener.port_mapping, listener.connection_pool
    loop = _LOOP_PORTS[mapping.protocol]
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


def _second_stage(port: int, linked: Sequence[_Linked], scope: GatewayScope) -> tuple[Listener, RouteTable]:
    plans = {found.host.lower(): found for found in linked if _LOOP_PORTS[found.protocol] == port}
    hosts = tuple(
        VirtualHost(found.host, _domains(found.host, port), found.plan.routes, Origin(found.service))
        for _, found in sorted(plans.items())
    )
    protocol = _LOOP_PROTOCOLS[port]
    table = RouteTable(names.outbound_routes(protocol, port), hosts)
    handler = HttpHandler(table.name, "egress", Dialect.APP_MESH, Protocol(protocol), access_log=scope.access_log)
    chain = FilterChain(f"{protocol}_{port}", handler, origin=Origin(typed_ref(scope.gateway)))
    return Listener(f"lds_egress_{_LOOPBACK}_{port}", _LOOPBACK, port, Direction.OUTBOUND, (chain,)), table
