"""Sixth pass: what a node's sidecar does with connections to its own application (appmesh.md §3.3, §3.7)."""

from typing import Final

from msgspec import Struct

from crossfade.api.appmesh import VirtualNode
from crossfade.api.appmesh.values import ConnectionLimits, RequestTimeout, TcpTimeout
from crossfade.api.appmesh.virtual_node import Listener as NodeListener
from crossfade.api.bounds import PORT, Misfit
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import names
from crossfade.compile.mesh.acm import AcmSecrets
from crossfade.compile.mesh.identities import MeshIdentities
from crossfade.compile.mesh.node_asks import NodeAsks, node_asks
from crossfade.compile.mesh.timing import (
    circuit_breakers,
    health_check_problem,
    idle_timeout_s,
    request_timeout_s,
    tcp_idle_timeout_s,
)
from crossfade.compile.mesh.tls import secured
from crossfade.compile.model import (
    AccessLog,
    Cluster,
    Dialect,
    Direction,
    Discovery,
    Endpoint,
    FilterChain,
    HeaderCase,
    HttpHandler,
    Listener,
    Protocol,
    TcpHandler,
)
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.retry import MARK_HEADER, NO_RETRY_OF_OVERLOAD
from crossfade.compile.routing.routes import Destination, Forward, Route, RouteTable, VirtualHost, filters_of
from crossfade_kube.registry import typed_ref

_CONNECT_TIMEOUT_S: Final = 0.25


class InboundPart(Struct, frozen=True):
    """No chain: the node listens on nothing that can be served."""

    chains: tuple[FilterChain, ...] = ()
    route_tables: tuple[RouteTable, ...] = ()
    clusters: tuple[Cluster, ...] = ()

    @property
    def listeners(self) -> tuple[Listener, ...]:
        if not self.chains:
            return ()
        return (
            Listener(
                name=names.INBOUND_LISTENER,
                address="0.0.0.0",
                port=names.INBOUND_PORT,
                direction=Direction.INBOUND,
                chains=self.chains,
                restores_original_destination=True,
                counts_connections=True,
            ),
        )


class InboundScope(Struct, frozen=True):
    """`mesh` is the mesh's awsName."""

    mesh: str
    app_address: str
    access_log: AccessLog | None
    secrets: AcmSecrets
    identities: MeshIdentities
    diagnostics: Diagnostics
    header_case: HeaderCase = HeaderCase.LOWER


def compile_inbound(node: VirtualNode, scope: InboundScope) -> InboundPart:
    """One chain per listener port, everything to the application on `app_address`."""
    asks = node_asks(node, scope.diagnostics)
    chains: list[FilterChain] = []
    tables: list[RouteTable] = []
    clusters: list[Cluster] = []
    for index, listener in enumerate(node.spec.listeners):
        origin = Origin(typed_ref(node), f"spec.listeners[{index}]")
        if not _is_served(node, index, listener, scope.diagnostics):
            continue
        cluster = _local_cluster(node, listener, scope, origin)
        table = _route_table(listener, cluster.name, asks, origin) if listener.port_mapping.protocol != "tcp" else None
        found = _chains(node, listener, cluster, table, scope=scope, origin=origin)
        if found:
            chains += found
            clusters.append(cluster)
            tables += [table] if table is not None else []
    return InboundPart(tuple(chains), tuple(tables), tuple(clusters))


def _chains(
    node: VirtualNode,
    listener: NodeListener,
    cluster: Cluster,
    table: RouteTable | None,
    *,
    scope: InboundScope,
    origin: Origin,
) -> tuple[FilterChain, ...]:
    mapping = listener.port_mapping
    prefix = "ingress" if len(node.spec.listeners) == 1 else f"ingress.{mapping.protocol}.{mapping.port}"
    handler: HttpHandler | TcpHandler
    if table is None:
        handler = TcpHandler((Destination(cluster.name),), prefix, _tcp_idle_s(listener), scope.access_log)
    else:
        handler = HttpHandler(
            table.name,
            prefix,
            Dialect.APP_MESH,
            Protocol(mapping.protocol),
            access_log=scope.access_log,
            takes_http2=mapping.protocol == "http",
            tells_undelivered=True,
            header_case=scope.header_case,
            filters=filters_of(table.virtual_hosts[0].routes),
        )
    chain = FilterChain(f"{mapping.protocol}_{mapping.port}", handler, mapping.port, origin=origin)
    if listener.tls is None:
        return scope.identities.guarded(chain, node)
    return secured(chain, listener.tls, origin, port=mapping.port, secrets=scope.secrets, diagnostics=scope.diagnostics)


def _is_served(node: VirtualNode, index: int, listener: NodeListener, diagnostics: Diagnostics) -> bool:
    """Refuses what would break Envoy's configuration or drop a protection; the port then answers nobody."""
    ref, field, mapping = typed_ref(node), f"spec.listeners[{index}]", listener.port_mapping
    if isinstance(misfit := PORT.check(mapping.port), Misfit):
        effect, where = "the listener has no effect", f"{field}.portMapping.port"
        diagnostics.error(ref, "listener.port", misfit.problem, effect=effect, field=where)
        return False
    if any(other.port_mapping.port == mapping.port for other in node.spec.listeners[:index]):
        diagnostics.error(
            ref,
            "listener.duplicate-port",
            f"port {mapping.port} is listed twice",
            effect="the later listener has no effect",
            field=f"{field}.portMapping.port",
        )
        return False
    check = listener.health_check
    if check is not None and check.port not in (None, mapping.port):
        diagnostics.error(
            ref,
            "listener.health-check-port",
            f"health check port {check.port} differs from the listener's port {mapping.port}",
            effect=f"port {mapping.port} is checked instead",
            field=f"{field}.healthCheck.port",
        )
    if problem := health_check_problem(listener):
        diagnostics.error(
            ref,
            "listener.health-check",
            problem,
            effect=f"nobody checks port {mapping.port}",
            hint="check it in the way that it speaks, or not at all",
            field=f"{field}.healthCheck",
        )
    pool = listener.connection_pool
    if pool is not None and _limits(listener) is None:
        diagnostics.error(
            ref,
            "listener.connection-pool",
            f"the connection pool is not one for {mapping.protocol}",
            effect="no limit is kept",
            field=f"{field}.connectionPool",
        )
    return True


def _limits(listener: NodeListener) -> ConnectionLimits | None:
    if listener.connection_pool is None:
        return None
    found: ConnectionLimits | None = getattr(listener.connection_pool, listener.port_mapping.protocol)
    return found


def _request_timeout(listener: NodeListener) -> RequestTimeout | None:
    if listener.timeout is None:
        return None
    found: RequestTimeout | None = getattr(listener.timeout, listener.port_mapping.protocol)
    return found


def _tcp_idle_s(listener: NodeListener) -> float | None:
    timeout: TcpTimeout | None = listener.timeout.tcp if listener.timeout else None
    return tcp_idle_timeout_s(timeout)


def _local_cluster(node: VirtualNode, listener: NodeListener, scope: InboundScope, origin: Origin) -> Cluster:
    mapping = listener.port_mapping
    return Cluster(
        name=names.local_cluster(scope.mesh, node.aws_name, mapping.protocol, mapping.port),
        discovery=Discovery.STATIC,
        endpoints=(Endpoint(scope.app_address, mapping.port),),
        origin=origin,
        protocol=Protocol(mapping.protocol),
        connect_timeout_s=_CONNECT_TIMEOUT_S,
        circuit_breakers=circuit_breakers(_limits(listener)),
        header_case=scope.header_case,
    )


def _route_table(listener: NodeListener, cluster: str, asks: NodeAsks, origin: Origin) -> RouteTable:
    timeout = _request_timeout(listener)
    forward = Forward(
        destinations=(Destination(cluster),),
        timeout_s=request_timeout_s(timeout),
        idle_timeout_s=idle_timeout_s(timeout),
    )
    mapping = listener.port_mapping
    routes = asks.applied(mapping.port, Route("local", RouteMatch(), forward, origin), forward)
    host = VirtualHost("ingress", ("*",), routes)
    # The application cannot say that it never saw a request.
    return RouteTable(
        names.inbound_routes(mapping.protocol, mapping.port),
        (host,),
        hidden_headers=(MARK_HEADER,),
        copied_headers=(NO_RETRY_OF_OVERLOAD,),
    )
