"""Who may call whom, as the objects of a mesh say it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from crossfade.compile.mesh import MeshModel
from crossfade.compile.model import Cluster, Direction, HttpHandler, ProxyModel, TcpHandler
from crossfade.compile.routing.routes import Destination, Forward
from crossfade.observe.traffic import Hop
from crossfade_kube.meta import ObjectRef

_HTTP: Final = 80


@dataclass
class Declared:
    """`weight` is the target's share, None where routes differ. TCP is not counted by requests."""

    is_mutual: bool
    is_tcp: bool = False
    port: int = _HTTP
    weight: float | None = None


def declared_in(model: MeshModel) -> dict[Hop, Declared]:
    found: dict[Hop, Declared] = {}
    for path, proxy in model.proxies.items():
        for hop, one in _of_proxy(model.owners[path], proxy):
            known = found.setdefault(hop, one)
            if known.weight != one.weight:
                known.weight = None
    return found


def _of_proxy(owner: ObjectRef, proxy: ProxyModel) -> Iterator[tuple[Hop, Declared]]:
    clusters = {cluster.name: cluster for cluster in proxy.clusters}
    ports = {}
    for listener in proxy.listeners:
        for chain in listener.chains:
            if isinstance(chain.handler, HttpHandler):
                port = chain.destination_port or listener.port
                ports[chain.handler.route_table] = port if listener.direction is Direction.OUTBOUND else listener.port
            elif isinstance(chain.handler, TcpHandler):
                service = chain.origin.ref.name if chain.origin is not None else chain.name
                destinations = chain.handler.destinations
                yield from _to(owner, service, destinations, clusters, is_tcp=True, port=chain.destination_port or 0)
    for table in proxy.route_tables:
        for host in table.virtual_hosts:
            for route in host.routes:
                if isinstance(route.action, Forward):
                    port = ports.get(table.name, _HTTP)
                    yield from _to(owner, host.name, route.action.destinations, clusters, is_tcp=False, port=port)


def _to(
    owner: ObjectRef,
    service: str,
    destinations: tuple[Destination, ...],
    clusters: Mapping[str, Cluster],
    *,
    is_tcp: bool,
    port: int,
) -> Iterator[tuple[Hop, Declared]]:
    total = sum(one.weight for one in destinations)
    for one in destinations:
        cluster = clusters.get(one.cluster)
        if cluster is None or cluster.reaches is None:
            continue
        hop = Hop(owner.namespace or "", owner.name, service, cluster.reaches.namespace, cluster.reaches.name)
        tls = cluster.mesh_tls
        share = one.weight / total if total else 0.0
        yield hop, Declared(tls is not None and tls.certificate is not None, is_tcp, port, share)
