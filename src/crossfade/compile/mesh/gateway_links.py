"""Gateway routes with the virtual services that they reach, and how stage two tells those apart (appmesh.md §3.11)."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct, structs

from crossfade.api.appmesh import GatewayRoute, VirtualGateway
from crossfade.api.appmesh.values import TlsClientPolicy
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import isolated
from crossfade.compile.mesh.client_tls import ReachedNodes
from crossfade.compile.mesh.gateway_routes import Entry, entries, keeps_host, route_kind
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.matches import Unusable
from crossfade.compile.mesh.membership import Refusal
from crossfade.compile.mesh.model import PortPlan, ServicePlan
from crossfade.compile.model import AccessLog
from crossfade_kube.meta import NamespacedName, ObjectRef
from crossfade_kube.registry import typed_ref

_POLICY_FIELD: Final = "spec.backendDefaults.clientPolicy.tls"
NO_EFFECT: Final = "the route has no effect"
# Where stage two listens, by what is spoken: HTTP/1.1 and HTTP/2 need a loop each.
LOOP_PORTS: Final = {"http": 15001, "http2": 15002, "grpc": 15002}
MARKED_LOOP_PORTS: Final = {"http": 15003, "http2": 15004, "grpc": 15004}
LOOP_PROTOCOLS: Final = {15001: "http", 15002: "http2", 15003: "http", 15004: "http2"}


class GatewayScope(Struct, frozen=True):
    """`mesh` is the mesh's awsName; `plans` those of its virtual services."""

    gateway: VirtualGateway
    mesh: str
    links: Links
    plans: Mapping[NamespacedName, ServicePlan]
    access_log: AccessLog | None
    diagnostics: Diagnostics


class LinkedRoute(Struct, frozen=True):
    """A gateway route with its service on one port.

    Stage two finds the service by its host name, or by `mark` where that is not empty.
    """

    route: GatewayRoute
    protocol: str
    port: int | None
    entries: tuple[Entry, ...]
    keeps_host: bool
    host: str
    service: ObjectRef
    plan: PortPlan
    mark: str = ""

    @property
    def loop(self) -> int:
        return (MARKED_LOOP_PORTS if self.mark else LOOP_PORTS)[self.protocol]


def service_seen(route: GatewayRoute, links: Links, plans: Mapping[NamespacedName, ServicePlan]) -> object:
    """What linking the route comes to, besides what it says itself: the same object, or the same text."""
    try:
        kind = route_kind(route)
        if kind is None:
            return None
        service = links.service(kind[1].action.target.virtual_service, route.metadata.namespace)
    except Exception as exc:
        # It goes wrong again, and is told, where the route is linked.
        return repr(exc)
    return service.reason if isinstance(service, Refusal) else plans[service.metadata.key]


def linked_routes(routes: Iterable[GatewayRoute], scope: GatewayScope) -> list[LinkedRoute]:
    """What cannot be linked ends in a diagnostic."""
    reached = ReachedNodes(scope.gateway, scope.links, scope.diagnostics)
    return _marked([found for route in routes if (found := _isolated_route(route, scope, reached))])


def _isolated_route(route: GatewayRoute, scope: GatewayScope, reached: ReachedNodes) -> LinkedRoute | None:
    return isolated(
        lambda: _linked(route, scope, reached),
        otherwise=None,
        ref=typed_ref(route),
        effect=NO_EFFECT,
        diagnostics=scope.diagnostics,
    )


def _linked(route: GatewayRoute, scope: GatewayScope, reached: ReachedNodes) -> LinkedRoute | None:
    kind = route_kind(route)
    if kind is None:
        refuse(route, "gateway-route.kind", "exactly one of httpRoute, http2Route, grpcRoute must be given", "", scope)
        return None
    protocol, body = kind
    service = scope.links.service(body.action.target.virtual_service, route.metadata.namespace)
    if isinstance(service, Refusal):
        refuse(route, "gateway-route.unknown-service", service.reason, "action.target.virtualService", scope)
        return None
    plan = _plan_of(scope.plans[service.metadata.key], body.action.target.port)
    if isinstance(plan, Refusal):
        refuse(route, "gateway-route.port", plan.reason, "action.target", scope)
        return None
    try:
        plan = reached.under(_policy(scope.gateway), plan, _POLICY_FIELD)
    except Unusable as problem:
        refuse(route, "gateway-route.tls", f"the gateway's client policy cannot be kept: {problem}", "", scope)
        return None
    try:
        found = entries(body)
    except Unusable as problem:
        refuse(route, "gateway-route.unusable", str(problem), problem.field, scope)
        return None
    return LinkedRoute(
        route, protocol, body.match.port, found, keeps_host(body), service.aws_name, typed_ref(service), plan
    )


def _plan_of(service: ServicePlan, port: int | None) -> PortPlan | Refusal:
    plans = [plan for plan in service.ports if plan.protocol != "tcp" and port in (None, 0, plan.port)]
    if len(plans) == 1:
        return plans[0]
    if not plans:
        wanted = f" on port {port}" if port else ""
        return Refusal(f"virtualService {service.host} has no HTTP listener{wanted}")
    return Refusal(f"virtualService {service.host} has several listeners, so the target must name a port")


def _policy(gateway: VirtualGateway) -> TlsClientPolicy | None:
    defaults = gateway.spec.backend_defaults
    policy = defaults.client_policy if defaults else None
    return policy.tls if policy else None


def _marked(linked: Iterable[LinkedRoute]) -> list[LinkedRoute]:
    """The oldest route decides what a host name means: a newer one never takes anything from those that work.

    Marked is who means another port, and who keeps the caller's host name.
    """
    meanings: dict[tuple[int, str], tuple[str, int]] = {}
    found = []
    for one in sorted(linked, key=lambda one: one.route.metadata.age):
        host = one.host.lower()
        meaning, wanted = (host, one.plan.port), [(one.loop, domain) for domain in domains(host, one.loop)]
        if one.keeps_host or any(meanings.get(key, meaning) != meaning for key in wanted):
            found.append(structs.replace(one, mark=f"{host}:{one.plan.port}"))
        else:
            meanings.update(dict.fromkeys(wanted, meaning))
            found.append(one)
    return found


def domains(host: str, port: int) -> tuple[str, str]:
    return host, f"{host}:{port}"


def refuse(route: GatewayRoute, code: str, problem: str, field: str, scope: GatewayScope) -> None:
    scope.diagnostics.error(typed_ref(route), code, problem, effect=NO_EFFECT, field=field)
