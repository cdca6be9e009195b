"""Fourth pass: a virtual router's routes, in matching order, for each of its listeners (appmesh.md §3.4)."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from msgspec import Struct

from crossfade.api.appmesh import VirtualRouter
from crossfade.api.appmesh.values import PortMapping
from crossfade.api.appmesh.virtual_router import GrpcRoute, HttpRoute, Route, TcpRoute
from crossfade.api.bounds import PORT, Misfit
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.matches import Unusable, grpc_match, http_match, specificity
from crossfade.compile.mesh.model import PortPlan
from crossfade.compile.mesh.route_asks import RouteAsks, route_asks
from crossfade.compile.mesh.shadows import shadowed
from crossfade.compile.mesh.targets import Target, TargetScope, linked_targets
from crossfade.compile.mesh.timing import idle_timeout_s, request_timeout_s, retry_policy, tcp_idle_timeout_s
from crossfade.compile.model import Cluster
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Forward, Respond
from crossfade.compile.routing.routes import Route as ModelRoute
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

Body: TypeAlias = HttpRoute | GrpcRoute | TcpRoute

# Routes without priority come after all that have one (0-1000).
_NO_PRIORITY: Final = 1001
_KINDS: Final = (
    ("http", "httpRoute"),
    ("http2", "http2Route"),
    ("grpc", "grpcRoute"),
    ("tcp", "tcpRoute"),
)


class _Entry(Struct, frozen=True):
    """One route with its protocol and its place in the manifest."""

    route: Route
    protocol: str
    body: Body
    path: str

    @property
    def port(self) -> int | None:
        return self.body.match.port if self.body.match else None


class _Scope(Struct, frozen=True):
    ref: ObjectRef
    router: VirtualRouter
    mesh: str
    links: Links
    asks: RouteAsks
    diagnostics: Diagnostics

    def refuse(self, code: str, message: str, field: str, *, effect: str, hint: str = "") -> None:
        self.diagnostics.error(self.ref, code, message, effect=effect, hint=hint, field=field)


def compile_router(router: VirtualRouter, mesh: str, links: Links, diagnostics: Diagnostics) -> tuple[PortPlan, ...]:
    """One plan per listener; `mesh` is the mesh's awsName."""
    scope = _Scope(typed_ref(router), router, mesh, links, route_asks(router, diagnostics), diagnostics)
    entries = [entry for index, route in enumerate(router.spec.routes) if (entry := _entry(route, index, scope))]
    mappings = [mapping for index, mapping in enumerate(_mappings(router)) if _is_usable(mapping, index, scope)]
    for entry in entries:
        _check_listener(entry, mappings, scope)
    if not router.spec.listeners:
        scope.refuse("router.no-listener", "the router has no listener", "spec.listeners", effect="nothing is routed")
    return tuple(_plan(mapping, entries, scope) for mapping in mappings)


def _mappings(router: VirtualRouter) -> list[PortMapping]:
    return [listener.port_mapping for listener in router.spec.listeners]


def _is_usable(mapping: PortMapping, index: int, scope: _Scope) -> bool:
    field, effect = f"spec.listeners[{index}].portMapping", "the listener has no effect"
    if isinstance(misfit := PORT.check(mapping.port), Misfit):
        scope.refuse("router.port", misfit.problem, f"{field}.port", effect=effect)
        return False
    if any(earlier.port == mapping.port for earlier in _mappings(scope.router)[:index]):
        scope.refuse("router.duplicate-port", f"port {mapping.port} is listed twice", f"{field}.port", effect=effect)
        return False
    return True


def _entry(route: Route, index: int, scope: _Scope) -> _Entry | None:
    bodies: tuple[Body | None, ...] = (route.http_route, route.http2_route, route.grpc_route, route.tcp_route)
    given = [(protocol, word, body) for (protocol, word), body in zip(_KINDS, bodies, strict=True) if body is not None]
    path = f"spec.routes[{index}]"
    if len(given) != 1:
        found = ", ".join(word for _, word, _ in given) or "none"
        scope.refuse(
            "route.kind",
            f"route {route.name} must have exactly one of httpRoute, http2Route, grpcRoute, tcpRoute; found {found}",
            path,
            effect="the route has no effect",
        )
        return None
    protocol, word, body = given[0]
    return _Entry(route, protocol, body, f"{path}.{word}")


def _serves(mapping: PortMapping, entry: _Entry) -> bool:
    return mapping.protocol == entry.protocol and entry.port in (None, 0, mapping.port)


def _check_listener(entry: _Entry, mappings: list[PortMapping], scope: _Scope) -> None:
    if mappings and not any(_serves(mapping, entry) for mapping in mappings):
        port = f" on port {entry.port}" if entry.port else ""
        scope.refuse(
            "route.no-listener",
            f"route {entry.route.name} is for {entry.protocol}{port}, which no listener of the router has",
            entry.path,
            effect="the route has no effect",
            hint="make the route's kind and match.port agree with spec.listeners",
        )


def _plan(mapping: PortMapping, entries: list[_Entry], scope: _Scope) -> PortPlan:
    served = [entry for entry in entries if _serves(mapping, entry)]
    if mapping.protocol == "tcp":
        return _tcp_plan(mapping, served, scope)
    compiled = [found for entry in served if (found := _http_route(entry, scope))]
    ordered = sorted(compiled, key=lambda found: _precedence(found[0], found[1].match))
    for entry, earlier in shadowed((entry, (route.match,)) for entry, route, _ in ordered):
        _tell_shadowed(entry, earlier, mapping.port, scope)
    return PortPlan(
        mapping.port,
        mapping.protocol,
        routes=tuple(route for _, route, _ in ordered),
        clusters=_distinct(cluster for _, _, clusters in ordered for cluster in clusters),
    )


def _tell_shadowed(entry: _Entry, earlier: _Entry, port: int, scope: _Scope) -> None:
    scope.diagnostics.warning(
        scope.ref,
        "route.shadowed",
        f"route {entry.route.name} has the same conditions as route {earlier.route.name}, which comes first",
        effect=f"it gets no request on port {port}",
        hint="remove it, or give it a priority or conditions of its own",
        field=entry.path,
    )


def _precedence(entry: _Entry, match: RouteMatch) -> tuple[int, int, int]:
    """Sorting is stable, so ties keep their order."""
    priority = _NO_PRIORITY if entry.route.priority is None else entry.route.priority
    return priority, *specificity(match)


def _http_route(entry: _Entry, scope: _Scope) -> tuple[_Entry, ModelRoute, tuple[Cluster, ...]] | None:
    body = entry.body
    if isinstance(body, TcpRoute):
        return None
    try:
        match = grpc_match(body.match) if isinstance(body, GrpcRoute) else http_match(body.match)
    except Unusable as problem:
        scope.refuse(
            "route.match",
            f"route {entry.route.name}: {problem}",
            f"{entry.path}.match.{problem.field}",
            effect="the route has no effect",
        )
        return None
    targets = _targets(entry, scope)
    origin = Origin(scope.ref, entry.path)
    route = ModelRoute(entry.route.name, match, _action(body, targets, entry, scope), origin)
    return entry, route, tuple(target.cluster for target in targets)


def _action(
    body: HttpRoute | GrpcRoute, targets: tuple[Target, ...], entry: _Entry, scope: _Scope
) -> Forward | Respond:
    if not _has_weight(targets, entry, scope):
        return Respond(503, "no virtual node has a weight above 0")
    forward = Forward(
        destinations=tuple(target.destination for target in targets),
        timeout_s=request_timeout_s(body.timeout),
        idle_timeout_s=idle_timeout_s(body.timeout),
        retry=retry_policy(body.retry_policy),
    )
    return scope.asks.applied(entry.route.name, forward)


def _tcp_plan(mapping: PortMapping, served: list[_Entry], scope: _Scope) -> PortPlan:
    ordered = sorted(served, key=lambda entry: _NO_PRIORITY if entry.route.priority is None else entry.route.priority)
    for unreachable in ordered[1:]:
        scope.refuse(
            "route.tcp-duplicate",
            f"route {unreachable.route.name} can never match: route {ordered[0].route.name} takes all connections "
            f"on port {mapping.port}",
            unreachable.path,
            effect="the route has no effect",
        )
    if not ordered:
        return PortPlan(mapping.port, mapping.protocol)
    entry = ordered[0]
    targets = _targets(entry, scope)
    has_weight = _has_weight(targets, entry, scope)
    timeout = entry.body.timeout if isinstance(entry.body, TcpRoute) else None
    return PortPlan(
        mapping.port,
        mapping.protocol,
        destinations=tuple(target.destination for target in targets) if has_weight else (),
        idle_timeout_s=tcp_idle_timeout_s(timeout),
        clusters=_distinct(target.cluster for target in targets) if has_weight else (),
    )


def _targets(entry: _Entry, scope: _Scope) -> tuple[Target, ...]:
    router = scope.router
    target_scope = TargetScope(scope.ref, entry.path, scope.mesh, router.metadata.namespace, entry.protocol)
    return linked_targets(entry.body.action.weighted_targets, target_scope, scope.links, scope.diagnostics)


def _has_weight(targets: tuple[Target, ...], entry: _Entry, scope: _Scope) -> bool:
    if any(target.destination.weight > 0 for target in targets):
        return True
    scope.refuse(
        "route.no-weight",
        f"route {entry.route.name} has no target with a weight above 0",
        f"{entry.path}.action.weightedTargets",
        effect="its requests are answered with 503",
        hint="give one target a weight",
    )
    return False


def _distinct(clusters: Iterable[Cluster]) -> tuple[Cluster, ...]:
    """One per name, in the order they are first seen."""
    return tuple({cluster.name: cluster for cluster in clusters}.values())
