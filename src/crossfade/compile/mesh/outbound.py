"""Seventh pass: what a node's sidecar does with connections its application opens (appmesh.md §3.2, §3.10).

One filter chain per destination port of the backends. What no chain takes is dropped, or passed on under ALLOW_ALL.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec import Struct, structs

from crossfade.api.appmesh import VirtualNode
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import names
from crossfade.compile.mesh.backends import LinkedBackend
from crossfade.compile.mesh.client_tls import ReachedNodes
from crossfade.compile.mesh.egress import EgressScope, compile_egress
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.matches import Unusable
from crossfade.compile.mesh.model import PortPlan
from crossfade.compile.mesh.short_names import added_domains
from crossfade.compile.model import (
    AccessLog,
    Cluster,
    Dialect,
    Direction,
    Discovery,
    FilterChain,
    HeaderCase,
    HttpHandler,
    Listener,
    Protocol,
    TcpHandler,
)
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.retry import MARK_HEADER
from crossfade.compile.routing.routes import Destination, Forward, Respond, Route, RouteTable, VirtualHost, filters_of
from crossfade_kube.registry import typed_ref

_HTTP2_FAMILY: Final = frozenset({"http2", "grpc"})
_AMAZONAWS: Final = "*.amazonaws.com"
_TLS_PORT: Final = 443
# As many as a request gets.
_TCP_ATTEMPTS: Final = 3


class OutboundPart(Struct, frozen=True):
    listener: Listener
    route_tables: tuple[RouteTable, ...]
    clusters: tuple[Cluster, ...]


class _Offer(Struct, frozen=True):
    """One backend on one port. With a `refusal` its client policy cannot be kept, and nothing may be sent."""

    backend: LinkedBackend
    plan: PortPlan
    refusal: str = ""


class OutboundScope(Struct, frozen=True):
    """`mesh` is the mesh's awsName; `passes_on` is egressFilter ALLOW_ALL.

    `short_names_in` is the cluster's DNS domain where backends can be called by shorter names too.
    """

    node: VirtualNode
    mesh: str
    links: Links
    passes_on: bool
    access_log: AccessLog | None
    diagnostics: Diagnostics
    short_names_in: str | None = None
    header_case: HeaderCase = HeaderCase.LOWER

    @property
    def origin(self) -> Origin:
        return Origin(typed_ref(self.node))


def compile_outbound(backends: Sequence[LinkedBackend], scope: OutboundScope) -> OutboundPart:
    ports: dict[int, list[_Offer]] = {}
    reached = ReachedNodes(scope.node, scope.links, scope.diagnostics)
    for backend in backends:
        for plan in backend.plan.ports:
            ports.setdefault(plan.port, []).append(_offer(backend, plan, reached))
    _add_unprovided(backends, ports, scope)
    accepted = {port: _agreeing(offers, scope) for port, offers in ports.items()}
    spoken = {port: offers[0].plan.protocol for port, offers in accepted.items() if offers}
    egress = compile_egress(
        EgressScope(scope.node, scope.mesh, scope.passes_on, spoken, scope.access_log, scope.diagnostics)
    )
    chains: list[FilterChain] = []
    tables: list[RouteTable] = []
    for port in sorted({*spoken, *egress.hosts}):
        offers = accepted.get(port, [])
        if spoken.get(port) == "tcp":
            chains += _tcp_chain(offers[0], scope)
        else:
            table = _route_table(port, offers, egress.hosts.get(port, ()), scope)
            tables.append(table)
            chains.append(_http_chain(port, offers, table, scope))
    clusters = [cluster for offers in accepted.values() for offer in offers for cluster in offer.plan.clusters]
    chains += egress.chains
    chains += _fixed_chains(scope, {name for chain in egress.chains for name in _names_of(chain, _TLS_PORT)})
    clusters += egress.clusters
    clusters += _fixed_clusters(scope, any(_is_http2(offers) for offers in accepted.values()))
    listener = Listener(
        name=names.OUTBOUND_LISTENER,
        address="0.0.0.0",
        port=names.OUTBOUND_PORT,
        direction=Direction.OUTBOUND,
        chains=tuple(chains),
        restores_original_destination=True,
    )
    return OutboundPart(listener, tuple(tables), _by_name(clusters, scope.header_case))


def _add_unprovided(backends: Sequence[LinkedBackend], ports: dict[int, list[_Offer]], scope: OutboundScope) -> None:
    """A virtual service without provider answers 404 where its Service is called (appmesh.md §3.2).

    It takes no port from others: under ALLOW_ALL one that no backend speaks HTTP on may be anything.
    """
    for backend in backends:
        for port in () if backend.plan.ports else backend.plan.service_ports:
            offers = ports.get(port, [])
            protocol = offers[0].plan.protocol if offers else "http"
            if protocol != "tcp" and (offers or not scope.passes_on):
                ports[port] = [*offers, _Offer(backend, PortPlan(port, protocol))]


def _offer(backend: LinkedBackend, plan: PortPlan, reached: ReachedNodes) -> _Offer:
    try:
        return _Offer(backend, reached.under(backend.tls, plan, backend.field))
    except Unusable as problem:
        return _Offer(backend, structs.replace(plan, clusters=()), str(problem))


def _agreeing(offers: list[_Offer], scope: OutboundScope) -> list[_Offer]:
    """The offers that can share one port: the backend that the node lists first decides what is spoken there."""
    first, kept = offers[0], offers[:1]
    taken = set(_domains(first))
    for offer in offers[1:]:
        host, domains = offer.backend.plan.host, _domains(offer)
        reason = _disagreement(first, offer)
        if not reason and not taken.isdisjoint(domains):
            reason = f"{host} differs from another backend only in letter case or a port"
        if not reason:
            kept.append(offer)
            taken.update(domains)
            continue
        scope.diagnostics.error(
            scope.origin.ref,
            "backend.port-conflict",
            reason,
            effect=f"{host} cannot be called on port {offer.plan.port}",
            hint="give one of the two another port",
            field=offer.backend.field,
        )
    return kept


def _domains(offer: _Offer) -> tuple[str, str]:
    """As Envoy compares them."""
    host = offer.backend.plan.host.lower()
    return host, f"{host}:{offer.plan.port}"


def _disagreement(first: _Offer, other: _Offer) -> str:
    protocols = first.plan.protocol, other.plan.protocol
    if protocols[0] == protocols[1] != "tcp":
        return ""
    both = f"{protocols[0]} for {first.backend.plan.host} and {protocols[1]} for {other.backend.plan.host}"
    if "tcp" in protocols:
        return f"{both} cannot share port {other.plan.port}: tcp has no host name to tell them apart"
    if (protocols[0] in _HTTP2_FAMILY) != (protocols[1] in _HTTP2_FAMILY):
        return f"{both} cannot share port {other.plan.port}: a port speaks either HTTP/1.1 or HTTP/2"
    return ""


def _is_http2(offers: Sequence[_Offer]) -> bool:
    return bool(offers) and offers[0].plan.protocol in _HTTP2_FAMILY


def _http_chain(port: int, offers: Sequence[_Offer], table: RouteTable, scope: OutboundScope) -> FilterChain:
    handler = HttpHandler(
        table.name,
        "egress",
        Dialect.APP_MESH,
        Protocol.HTTP2 if _is_http2(offers) else Protocol.HTTP1,
        access_log=scope.access_log,
        header_case=scope.header_case,
        filters=filters_of(route for host in table.virtual_hosts for route in host.routes),
    )
    return FilterChain(f"{_spoken(offers)}_{port}", handler, port, origin=scope.origin)


def _spoken(offers: Sequence[_Offer]) -> str:
    """HTTP/1 where only domains outside of the mesh are called."""
    return offers[0].plan.protocol if offers else "http"


def _route_table(
    port: int, offers: Sequence[_Offer], outside: Sequence[VirtualHost], scope: OutboundScope
) -> RouteTable:
    """`outside` are domains outside of the mesh: a backend of the same name comes first."""
    added: Mapping[str, tuple[str, ...]] = {}
    if scope.short_names_in is not None:
        names_of = (offer.backend.plan.host for offer in offers)
        added = added_domains(names_of, port, scope.node.metadata.namespace, scope.short_names_in)
    hosts = [_virtual_host(offer, added.get(offer.backend.plan.host, ()), scope) for offer in offers]
    if scope.passes_on:
        hosts.append(_passthrough_host(_is_http2(offers), scope))
    taken = {domain.lower() for host in hosts for domain in host.domains}
    hosts += [host for host in outside if taken.isdisjoint(host.domains)]
    name = names.outbound_routes(_spoken(offers), port)
    return RouteTable(name, tuple(hosts), hidden_headers=(MARK_HEADER,))


def _virtual_host(offer: _Offer, added: tuple[str, ...], scope: OutboundScope) -> VirtualHost:
    host, port = offer.backend.plan.host, offer.plan.port
    routes = offer.plan.routes
    if offer.refusal:
        _refuse(offer, scope, effect=f"requests to {host} are answered with 503")
        refusal = Respond(503, "the client policy cannot be kept")
        routes = (Route("client-policy", RouteMatch(), refusal, scope.origin),)
    return VirtualHost(host, (host, f"{host}:{port}", *added), routes, Origin(offer.backend.plan.ref))


def _tcp_chain(offer: _Offer, scope: OutboundScope) -> list[FilterChain]:
    """None without destinations: the connection is then closed, as for a port that nobody offers."""
    port = offer.plan.port
    if offer.refusal:
        _refuse(offer, scope, effect=f"connections to port {port} are closed")
        return []
    if not offer.plan.destinations:
        return []
    handler = TcpHandler(
        offer.plan.destinations, "egress", offer.plan.idle_timeout_s, scope.access_log, connect_attempts=_TCP_ATTEMPTS
    )
    return [FilterChain(f"tcp_{port}", handler, port, origin=scope.origin)]


def _refuse(offer: _Offer, scope: OutboundScope, *, effect: str) -> None:
    host = offer.backend.plan.host
    problem = f"the client policy for {host} cannot be kept: {offer.refusal}"
    scope.diagnostics.error(scope.origin.ref, "backend.tls", problem, effect=effect, field=offer.backend.field)


def _passthrough_host(is_http2: bool, scope: OutboundScope) -> VirtualHost:
    name = names.passthrough_http2_cluster if is_http2 else names.passthrough_cluster
    forward = Forward((Destination(name(scope.mesh)),), timeout_s=None)
    return VirtualHost("mesh-allow-all", ("*",), (Route("mesh-allow-all", RouteMatch(), forward, scope.origin),))


def _names_of(chain: FilterChain, port: int) -> tuple[str, ...]:
    return chain.server_names if chain.destination_port == port else ()


def _fixed_chains(scope: OutboundScope, named: AbstractSet[str]) -> list[FilterChain]:
    """AWS endpoints stay reachable under either filter; who has `named` them gets the ones that these names have."""
    chains: list[FilterChain] = []
    if _AMAZONAWS not in named:
        cluster = names.amazonaws_cluster(scope.mesh)
        amazonaws = TcpHandler((Destination(cluster),), "egress", access_log=scope.access_log)
        chains.append(FilterChain("amazonaws", amazonaws, _TLS_PORT, (_AMAZONAWS,), origin=scope.origin))
    if scope.passes_on:
        cluster = names.passthrough_cluster(scope.mesh)
        handler = TcpHandler((Destination(cluster),), "egress", access_log=scope.access_log)
        chains.append(FilterChain("mesh-allow-all", handler, origin=scope.origin))
    return chains


def _fixed_clusters(scope: OutboundScope, needs_http2: bool) -> list[Cluster]:
    def original(name: str, protocol: Protocol) -> Cluster:
        return Cluster(name, Discovery.ORIGINAL_DST, (), scope.origin, protocol)

    clusters = [original(names.amazonaws_cluster(scope.mesh), Protocol.TCP)]
    if scope.passes_on:
        clusters.append(original(names.passthrough_cluster(scope.mesh), Protocol.HTTP1))
        if needs_http2:
            clusters.append(original(names.passthrough_http2_cluster(scope.mesh), Protocol.HTTP2))
    return clusters


def _by_name(clusters: Iterable[Cluster], case: HeaderCase) -> tuple[Cluster, ...]:
    found = {cluster.name: cluster for cluster in clusters}
    if case is not HeaderCase.LOWER:
        found = {name: structs.replace(cluster, header_case=case) for name, cluster in found.items()}
    return tuple(cluster for _, cluster in sorted(found.items()))
