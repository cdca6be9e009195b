"""What routes and listeners of a mesh ask beside where a request goes, with the fields that say so.

An arrival is what the sidecar of a called virtual node makes of a request before its application gets it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from crossfade.compile.mesh import MeshModel
from crossfade.compile.mesh.body_limits import MAX_REQUEST_BYTES
from crossfade.compile.mesh.choices import HEADER_CASE
from crossfade.compile.mesh.header_edits import (
    REMOVE_REQUEST_HEADERS,
    REMOVE_RESPONSE_HEADERS,
    SET_REQUEST_HEADERS,
    SET_RESPONSE_HEADERS,
)
from crossfade.compile.mesh.identities import MESH_TLS
from crossfade.compile.mesh.mirroring import MIRROR
from crossfade.compile.mesh.names import node_path, remote_cluster
from crossfade.compile.mesh.rate_limits import RATE_LIMIT, ROUTE_RATE_LIMITS
from crossfade.compile.model import (
    CircuitBreakers,
    Cluster,
    Direction,
    FilterChain,
    HeaderCase,
    HttpHandler,
    Issued,
    MeshTls,
    ProxyModel,
)
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Forward, RateLimit
from crossfade.explain.model import ArrivalFound, AskFound
from crossfade.explain.services import address_of

_NO_LIMIT: Final = CircuitBreakers()
_CASES: Final = {
    HeaderCase.PRESERVE: "names of headers keep their case",
    HeaderCase.PROPER: "words in names of headers begin with capitals",
}


def route_asks(forward: Forward, service: str, router: str) -> Iterator[AskFound]:
    """Of the way out. `service` is the VirtualService, `router` what the route is written in."""
    for key, names, text in (
        (SET_REQUEST_HEADERS, [name for name, _ in forward.request_headers], "sets of the request"),
        (REMOVE_REQUEST_HEADERS, forward.removed_request_headers, "takes off the request"),
        (SET_RESPONSE_HEADERS, [name for name, _ in forward.response_headers], "sets of the answer"),
        (REMOVE_RESPONSE_HEADERS, forward.removed_response_headers, "takes off the answer"),
    ):
        if names:
            yield _annotated("headers", f"{text} {', '.join(names)}", service, key)
    for mirror in forward.mirrors:
        yield _annotated("mirror", f"copies {mirror.percent} % to {mirror.cluster}", service, MIRROR)
    if forward.rate_limit is not None:
        yield _annotated("rate", _rate(forward.rate_limit), router, ROUTE_RATE_LIMITS.key)
    if (fault := forward.fault) is not None and fault.origin is not None:
        parts = (
            f"delays {fault.delay_percent} % by {fault.delay_ms / 1000:g} s" if fault.delay_percent else "",
            f"answers {fault.abort_percent} % with {fault.abort_status}" if fault.abort_percent else "",
        )
        text = f"{' and '.join(filter(None, parts))}, in its time"
        yield AskFound("fault", text, str(fault.origin.ref), fault.origin.path)


def arrival(model: MeshModel, mesh: str, cluster: Cluster) -> ArrivalFound | None:
    """None where the node behind the cluster has no sidecar."""
    reached = cluster.reaches
    proxy = model.proxies.get(node_path(mesh, reached.aws_name)) if reached is not None else None
    if reached is None or proxy is None:
        return None
    chains = [one for one in _inbound(proxy) if _is_behind(one, mesh, reached.aws_name, cluster)]
    origin = chains[0].origin if chains else None
    if origin is None:
        return None
    local, forward = _application(proxy, chains[0])
    asks = (*_tls(chains, cluster, origin), *_asks(local, forward, origin))
    chain = " or ".join(one.name for one in chains)
    return ArrivalFound(str(origin.ref), origin.path, chain, ", ".join(map(address_of, local.endpoints)), asks)


def _inbound(proxy: ProxyModel) -> Iterator[FilterChain]:
    for listener in proxy.listeners:
        if listener.direction is Direction.INBOUND:
            yield from listener.chains


def _is_behind(chain: FilterChain, mesh: str, aws_name: str, cluster: Cluster) -> bool:
    """A listener with two ways of TLS has two chains."""
    protocol, port = chain.name.partition("_")[0], chain.destination_port
    return port is not None and remote_cluster(mesh, aws_name, protocol, port) == cluster.name


def _application(proxy: ProxyModel, chain: FilterChain) -> tuple[Cluster, tuple[Forward, ...]]:
    """And what the routes to it say."""
    handler = chain.handler
    if not isinstance(handler, HttpHandler):
        return _named(proxy.clusters, handler.destinations[0].cluster), ()
    table = next(one for one in proxy.route_tables if one.name == handler.route_table)
    actions = (route.action for host in table.virtual_hosts for route in host.routes)
    forwards = tuple(one for one in actions if isinstance(one, Forward))
    return _named(proxy.clusters, forwards[0].destinations[0].cluster), forwards


def _named(clusters: Iterable[Cluster], name: str) -> Cluster:
    return next(one for one in clusters if one.name == name)


def _tls(chains: list[FilterChain], caller: Cluster, origin: Origin) -> Iterator[AskFound]:
    secured = [one.mesh_tls for one in chains if one.mesh_tls is not None]
    if not secured:
        return
    is_issued = secured[0].certificate is Issued.IDENTITY
    field = f"metadata.annotations[{MESH_TLS}] of it or of its Mesh" if is_issued else f"{origin.path}.tls"
    demand = "is demanded" if len(secured) == len(chains) else "is taken, and plain text too"
    if caller.mesh_tls is not None:
        end = "the caller speaks it"
    elif len(secured) == len(chains):
        end = "the caller speaks plain text, and its connection is closed"
    else:
        end = "the caller speaks plain text"
    yield AskFound("tls", f"{_kind(secured[0])} {demand}: {end}", str(origin.ref), field)


def _kind(tls: MeshTls) -> str:
    if tls.certificate is Issued.IDENTITY:
        return "mutual TLS with identities of the mesh"
    return "TLS" if tls.peers is None else "mutual TLS"


def _asks(local: Cluster, forwards: tuple[Forward, ...], origin: Origin) -> Iterator[AskFound]:
    ref = str(origin.ref)
    for forward in forwards[:1]:
        timeout = "no timeout" if forward.timeout_s is None else f"timeout {forward.timeout_s:g} s"
        idle = f", gaps of at most {forward.idle_timeout_s:g} s" if forward.idle_timeout_s else ""
        yield AskFound("timeout", timeout + idle, ref, f"{origin.path}.timeout")
        if forward.rate_limit is not None:
            yield _annotated("rate", _rate(forward.rate_limit), ref, RATE_LIMIT.key)
    if (found := local.circuit_breakers or _NO_LIMIT) != _NO_LIMIT:
        kept = ", ".join(
            f"{number} {name}"
            for name, number, usual in (
                ("connections", found.max_connections, _NO_LIMIT.max_connections),
                ("pending requests", found.max_pending_requests, _NO_LIMIT.max_pending_requests),
                ("requests", found.max_requests, _NO_LIMIT.max_requests),
            )
            if number != usual
        )
        yield AskFound("connections", f"at most {kept}", ref, f"{origin.path}.connectionPool")
    for most in {one.max_held_bytes for one in forwards if one.max_held_bytes is not None}:
        yield _annotated("body", f"bodies of at most {most} bytes, else 413", ref, MAX_REQUEST_BYTES.key)
    if (case := local.header_case) is not HeaderCase.LOWER:
        yield AskFound(
            "header case", _CASES[case], ref, f"metadata.annotations[{HEADER_CASE.key}] of it or of its Mesh"
        )


def _rate(limit: RateLimit) -> str:
    return f"{limit.requests} requests in {limit.period_s} s, at most {limit.burst} at once, else 429"


def _annotated(kind: str, says: str, owner: str, key: str) -> AskFound:
    return AskFound(kind, says, owner, f"metadata.annotations[{key}]")
