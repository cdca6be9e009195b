"""A gateway's model with its mesh in it: requests take the routes that its sidecar would have taken.

Kong's part ends where the request would have been sent: then the mesh's own table decides, by the Host, path and
headers that go upstream. Timeouts of Kong bound the mesh's; its retries have nothing to do, since a sidecar accepts
every connection.
"""

from functools import partial
from hashlib import blake2b
from typing import Final

from msgspec import structs
from msgspec.json import encode

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.compiler import CompiledGateway
from crossfade.compile.gateway.state import KongService
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.mesh_native.asks import tell_asks
from crossfade.compile.mesh_native.egress import Egress, HttpPort, TcpPort, egress_of, needs_identity
from crossfade.compile.mesh_native.own_node import OwnSidecar
from crossfade.compile.mesh_native.streams import closed_clusters, stream_listeners
from crossfade.compile.mesh_native.treatment import Closed, Treatment, Untouched, treatment
from crossfade.compile.model import Cluster, FilterChain, HttpHandler, Listener
from crossfade.compile.routing import tables
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Forward, Respond, Route, VirtualHost
from crossfade_kube.meta import ObjectRef

_NO_HOST: Final = "mesh-no-host"
_CLOSED: Final = "mesh-closed"


def merged(compiled: CompiledGateway, sidecar: OwnSidecar, memo: Memo) -> CompiledGateway:
    """`memo` is of one series of such calls."""
    memo.begin()
    gateway = compiled.model.gateway
    if gateway is None:
        return compiled
    diagnostics = compiled.diagnostics
    egress = memo.of("egress", (sidecar,), lambda _: egress_of(sidecar), diagnostics)
    _tell_identity(sidecar, diagnostics)
    tell_asks(sidecar.model, diagnostics)
    merging = _Merging(compiled, sidecar, egress, memo)
    rows = tuple(merging.row(row) for row in gateway.routes)
    listeners, used_by_streams = stream_listeners(compiled.model.listeners, merging.of_cluster, egress)
    shut = closed_clusters(compiled.model.listeners, merging.of_cluster)
    model = structs.replace(
        compiled.model,
        listeners=tuple(map(_counting, listeners)),
        clusters=merging.clusters(shut, used_by_streams),
        gateway=structs.replace(gateway, routes=rows, mesh=dict(sorted(merging.mesh.items()))),
    )
    return compiled._replace(model=model)


def _counting(listener: Listener) -> Listener:
    """A sidecar would have counted what goes to the mesh."""

    def with_calls(chain: FilterChain) -> FilterChain:
        handler = chain.handler
        if not isinstance(handler, HttpHandler):
            return chain
        telemetry = structs.replace(handler.telemetry, counts_calls=True)
        return structs.replace(chain, handler=structs.replace(handler, telemetry=telemetry))

    return structs.replace(listener, chains=tuple(map(with_calls, listener.chains)))


def _tell_identity(sidecar: OwnSidecar, diagnostics: Diagnostics) -> None:
    if not sidecar.has_identity and any(map(needs_identity, sidecar.model.clusters)):
        diagnostics.error(
            sidecar.node,
            "mesh.no-identity",
            "virtual nodes ask for an identity of the mesh, and the gateway's pod was not told where to get one",
            effect="requests to them get 503",
            hint="delete the pod, so that the mesh's controller injects it anew",
        )


class _Merging:
    """One compilation: what each Service comes to, and the mesh's tables that are needed."""

    def __init__(self, compiled: CompiledGateway, sidecar: OwnSidecar, egress: Egress, memo: Memo) -> None:
        self.mesh: dict[str, tables.MeshRoutes] = {}
        self._egress = egress
        self._memo = memo
        self._diagnostics = compiled.diagnostics
        self._compiled = compiled
        entities = compiled.entities
        placed = (*entities.placed, *entities.placed_streams)
        self._services: dict[str, KongService] = {service.cluster.name: service for _, service in placed}
        node = sidecar.node
        self.of_cluster: dict[str, Treatment] = {
            name: memo.of(
                ("treatment", name),
                (service, egress),
                partial(_isolated_treatment, service, egress, node),
                self._diagnostics,
            )
            for name, service in self._services.items()
            if service.refusal is None
        }
        self._actions = compiled.model.gateway.actions if compiled.model.gateway is not None else {}

    def row(self, row: tables.Row[tables.Route]) -> tables.Row[tables.Route]:
        route = row.value
        host = self._host_of_endpoints(route)
        name = self._name(route, host)
        if name is None:
            return row
        inputs = (route, name, host or "")
        made = self._memo.of(("row", route.id), inputs, lambda _: _in_mesh(route, name, host), self._diagnostics)
        return tables.Row(row.origin, made)

    def _host_of_endpoints(self, route: tables.Route) -> str | None:
        """Envoy writes it once it has picked one, too late for a mesh; None where they differ, or none is written."""
        action = self._actions.get(route.action)
        if action is None or not action.takes_host_of_endpoint or not route.backends:
            return None
        service = self._services.get(route.backends[0].cluster)
        hosts = {one.hostname for one in service.cluster.endpoints} if service is not None else set()
        return hosts.pop() if len(hosts) == 1 else None

    def _name(self, route: tables.Route, host: str | None) -> str | None:
        """Of the mesh's routes that take the route's requests; None where the gateway connects by itself."""
        if route.refusal is not None or not route.backends:
            return None
        found = self.of_cluster.get(route.backends[0].cluster, Untouched())
        action = self._actions[route.action]
        if isinstance(found, Untouched):
            return None
        if isinstance(found, Closed):
            return self._kept(_CLOSED, tables.MeshRoutes((_host(_CLOSED, Respond(502), found.origin),)), action)
        if isinstance(found, TcpPort):
            return self._kept(f"mesh-{found.name}", tables.MeshRoutes((_any_host(found, self._origin(found)),)), action)
        if action.takes_host_of_endpoint and host is None:
            # The sidecar would see one address or another, which are nobody's names.
            return None if self._egress.passes_on else self._kept(_NO_HOST, tables.MeshRoutes(()), action)
        passthrough = next(iter(self._egress.passthrough & _destinations(found)), "")
        return self._kept(
            f"mesh-{found.name}", tables.MeshRoutes(found.table.virtual_hosts, passthrough), action, found
        )

    def _origin(self, port: TcpPort) -> Origin:
        return self._egress.clusters[port.handler.destinations[0].cluster].origin

    def _kept(self, name: str, routes: tables.MeshRoutes, action: tables.Action, port: HttpPort | None = None) -> str:
        """Under a name that stays while the mesh's routes change, so that a change of theirs is one change."""
        idle_s = action.idle_timeout_s
        if port is not None and idle_s is not None and idle_s < port.longest_idle_s:
            routes = structs.replace(routes, longest_idle_s=idle_s)
        routes = structs.replace(routes, filters=action.filters, response_headers=action.response_headers)
        own = (routes.longest_idle_s, routes.filters, routes.response_headers)
        if own != (None, (), ()):
            name = f"{name}-{blake2b(encode(own), digest_size=4).hexdigest()}"
        self.mesh[name] = routes
        return name

    def clusters(self, shut: frozenset[str], used_by_streams: frozenset[str]) -> tuple[Cluster, ...]:
        """Those of Kong that somebody still connects to, and those of the mesh that its routes name."""
        egress = self._egress
        wanted = {name for routes in self.mesh.values() for name in _named(routes)} | used_by_streams
        of_mesh = [cluster for name, cluster in sorted(egress.clusters.items()) if name in wanted]
        own: list[Cluster] = []
        for cluster in self._compiled.model.clusters:
            found = self.of_cluster.get(cluster.name, Untouched())
            if cluster.name in shut:
                own.append(structs.replace(cluster, endpoints=(), health_check=None))
            elif isinstance(found, Untouched) or (isinstance(found, HttpPort) and egress.passes_on):
                own.append(cluster)
        return (*own, *of_mesh)


def _isolated_treatment(service: KongService, egress: Egress, node: ObjectRef, diagnostics: Diagnostics) -> Treatment:
    origin = service.cluster.origin
    return isolated(
        partial(treatment, service, egress, node, diagnostics),
        otherwise=Closed(origin),
        ref=origin.ref,
        effect="requests to this Service get 502",
        diagnostics=diagnostics,
    )


def _in_mesh(route: tables.Route, name: str, host: str | None) -> tables.Route:
    """A mesh tries again by its own policy, chooses endpoints and names them in TLS."""
    service = structs.replace(route.service, retry_idempotent=False, hashing=None, sticky=None)
    return structs.replace(route, service=service, tls_name=None, mesh=name, host=host or route.host)


def _host(name: str, action: Forward | Respond, origin: Origin) -> VirtualHost:
    return VirtualHost(name, ("*",), (Route(name, RouteMatch(), action, origin),), origin)


def _any_host(port: TcpPort, origin: Origin) -> VirtualHost:
    """A port of tcp has no host names; its connections have neither timeouts nor retries of requests."""
    return _host(port.name, Forward(port.handler.destinations, timeout_s=None), origin)


def _destinations(port: HttpPort) -> frozenset[str]:
    return frozenset(name for host in port.table.virtual_hosts for route in host.routes for name in _of_action(route))


def _named(routes: tables.MeshRoutes) -> frozenset[str]:
    return frozenset(name for host in routes.hosts for route in host.routes for name in _of_action(route))


def _of_action(route: Route) -> tuple[str, ...]:
    if not isinstance(route.action, Forward):
        return ()
    destinations = (one.cluster for one in route.action.destinations)
    return (*destinations, *(one.cluster for one in route.action.mirrors))
