"""What a virtual node's sidecar makes of a call of its application; Envoy decides, this foretells it from its model."""

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from crossfade.compile.diagnostics import UNREADABLE, Diagnostic
from crossfade.compile.mesh import MeshModel
from crossfade.compile.mesh.names import mesh_of
from crossfade.compile.model import Cluster, Direction, Discovery, FilterChain, HttpHandler, Listener, ProxyModel
from crossfade.compile.routing.routes import Destination, Forward
from crossfade.compile.routing.tables import MeshRoutes
from crossfade.explain.arrivals import arrival, route_asks
from crossfade.explain.listening import picked_chain
from crossfade.explain.mesh import mesh_found, taken_route
from crossfade.explain.model import AskFound, CallExplanation, Limits, ListenerFound, MeshFound, TargetFound
from crossfade.explain.services import address_of
from crossfade.policy_module.rehearsal import Question
from crossfade_kube.meta import NamespacedName, ObjectRef

_PORTS: Final = {"http": 80, "https": 443}


class UnknownNode(Exception):  # noqa: N818 - says what is not there, to people
    """No such virtual node has a sidecar here."""


def explain_call(model: MeshModel, node: NamespacedName, question: Question, url: str) -> CallExplanation:
    """Raises UnknownNode. The port of the `url` is what the application connects to."""
    path, owner = _owner(model, node)
    return _Call(model, path, owner, question, url).explained()


def _owner(model: MeshModel, node: NamespacedName) -> tuple[str, ObjectRef]:
    nodes = {path: ref for path, ref in model.owners.items() if ref.kind == "VirtualNode" and path in model.proxies}
    found = [(path, ref) for path, ref in nodes.items() if (ref.namespace, ref.name) == node]
    if not found:
        known = ", ".join(sorted(f"{ref.namespace}/{ref.name}" for ref in nodes.values())) or "none"
        raise UnknownNode(f"no VirtualNode {node.namespace}/{node.name} has a sidecar; there are: {known}")
    return found[0]


class _Call:
    def __init__(self, model: MeshModel, path: str, owner: ObjectRef, question: Question, url: str) -> None:
        self._model = model
        self._owner = owner
        self._question = question
        self._url = url
        self._proxy: ProxyModel = model.proxies[path]
        self._clusters = {one.name: one for one in self._proxy.clusters}
        self._mesh = mesh_of(path)
        self._endpoints = model.endpoints.get(self._mesh, {})
        parts = urlsplit(url)
        self._port = parts.port or _PORTS[parts.scheme]

    def explained(self) -> CallExplanation:
        listener = next(one for one in self._proxy.listeners if one.direction is Direction.OUTBOUND)
        chain = _chain(listener, self._port, self._question.sni or "")
        if chain is None:
            refusal = f"the connection is closed: no backend has port {self._port}, and the mesh lets nothing else out"
            return self._told(listener, "", refusal=refusal)
        if isinstance(chain.handler, HttpHandler):
            return self._http(listener, chain, chain.handler)
        return self._told(listener, chain.name, targets=self._targets(chain.handler.destinations))

    def _http(self, listener: Listener, chain: FilterChain, handler: HttpHandler) -> CallExplanation:
        if self._question.is_tls:
            return self._told(listener, chain.name, refusal="the port takes plain HTTP: ask for an http URL")
        table = next(one for one in self._proxy.route_tables if one.name == handler.route_table)
        routes = MeshRoutes(table.virtual_hosts)
        sent = self._sent()
        found, route = mesh_found(routes, sent), taken_route(routes, sent)
        forward = route.action if route is not None and isinstance(route.action, Forward) else None
        targets = self._targets(forward.destinations) if forward is not None else ()
        asks = tuple(route_asks(forward, found.service, found.router)) if forward is not None else ()
        return self._told(listener, chain.name, mesh=found, targets=targets, limits=_limits(forward), asks=asks)

    def _sent(self) -> Sequence[tuple[str, str]]:
        asked = self._question
        pseudo = ((":method", asked.method), (":path", asked.target), (":authority", asked.authority))
        return (*pseudo, ("x-forwarded-proto", "http"), *asked.headers)

    def _targets(self, destinations: Sequence[Destination]) -> tuple[TargetFound, ...]:
        total = sum(one.weight for one in destinations) or 1
        return tuple(self._target(self._clusters[one.cluster], one.weight / total) for one in destinations)

    def _target(self, cluster: Cluster, share: float) -> TargetFound:
        is_meant = cluster.discovery in (Discovery.ORIGINAL_DST, Discovery.BY_NAME)
        return TargetFound(
            cluster=cluster.name,
            object="" if is_meant else str(cluster.origin.ref),
            share=share,
            protocol=str(cluster.protocol),
            endpoints=tuple(self._addresses(cluster)),
            arrival=arrival(self._model, self._mesh, cluster),
        )

    def _addresses(self, cluster: Cluster) -> Iterator[str]:
        endpoints = self._endpoints.get(cluster.endpoints_name, ()) if cluster.shares_endpoints else cluster.endpoints
        return map(address_of, endpoints)

    def _told(
        self,
        listener: Listener,
        chain: str,
        *,
        mesh: MeshFound | None = None,
        targets: tuple[TargetFound, ...] = (),
        limits: Limits | None = None,
        asks: tuple[AskFound, ...] = (),
        refusal: str = "",
    ) -> CallExplanation:
        return CallExplanation(
            node=str(self._owner),
            method=self._question.method,
            url=self._url,
            listener=ListenerFound(listener.name, listener.address, listener.port),
            chain=chain,
            mesh=mesh,
            targets=targets,
            limits=limits,
            asks=asks,
            refusal=refusal,
            diagnostics=tuple(self._concerned(mesh, targets)),
        )

    def _concerned(self, mesh: MeshFound | None, targets: Sequence[TargetFound]) -> Iterator[Diagnostic]:
        """About the node, the objects that the call passes, and those that nobody could read."""
        named = {str(self._owner), *(one.object for one in targets)}
        named |= {mesh.service, mesh.router} if mesh is not None else set()
        return (one for one in self._model.diagnostics if str(one.ref) in named or one.code == UNREADABLE)


def _chain(listener: Listener, port: int, server_name: str) -> FilterChain | None:
    """As Envoy picks it: the port first, then the server name of TLS, else what takes the rest."""
    of_port = tuple(one for one in listener.chains if one.destination_port == port)
    chosen = picked_chain(replace(listener, chains=of_port), server_name)
    if chosen is not None:
        return chosen
    return picked_chain(
        replace(listener, chains=tuple(one for one in listener.chains if one.destination_port is None)), ""
    )


def _limits(forward: Forward | None) -> Limits | None:
    if forward is None:
        return None
    retry = forward.retry
    return Limits(
        timeout_s=forward.timeout_s,
        idle_timeout_s=forward.idle_timeout_s,
        retries=retry.num_retries if retry is not None else 0,
        retry_on=(*retry.retry_on, *map(str, retry.status_codes)) if retry is not None else (),
        per_try_timeout_s=retry.per_try_timeout_s if retry is not None else None,
    )
