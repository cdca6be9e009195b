"""What a sidecar does with the connections of its application, read off its own listener (appmesh.md §3.2, §3.10).

Nothing is decided anew here: the chains, tables and clusters are those that `compile/mesh` made.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from crossfade.compile.mesh_native.asks import without_asks
from crossfade.compile.mesh_native.own_node import OwnSidecar
from crossfade.compile.model import (
    Cluster,
    Direction,
    Discovery,
    Endpoint,
    FilterChain,
    HttpHandler,
    Issued,
    MeshIssued,
    MeshTls,
    TcpHandler,
)
from crossfade.compile.routing.routes import Forward, Route, RouteTable

# A sidecar's own, where a route says nothing.
_STREAM_IDLE_S: Final = 300.0


class HttpPort(Struct, frozen=True, eq=False):
    """A port on which the sidecar looks into requests. `longest_idle_s` is the most that a gap may take there."""

    name: str
    table: RouteTable
    longest_idle_s: float


class TcpPort(Struct, frozen=True, eq=False):
    name: str
    handler: TcpHandler


class Egress(Struct, frozen=True, eq=False):
    """`passes_on`: what goes to no port of a backend is let through. `server_names` are let through by their name.

    `passthrough` are clusters that connect to wherever the application meant to.
    """

    ports: Mapping[int, HttpPort | TcpPort]
    passes_on: bool
    named: Mapping[int, tuple[str, ...]]
    passthrough: frozenset[str]
    clusters: Mapping[str, Cluster]


def egress_of(sidecar: OwnSidecar) -> Egress:
    model = sidecar.model
    chains = [chain for one in model.listeners if one.direction is Direction.OUTBOUND for chain in one.chains]
    tables = {table.name: table for table in model.route_tables}
    of_ports = [chain for chain in chains if chain.destination_port is not None and not chain.server_names]
    named: dict[int, tuple[str, ...]] = {}
    for chain in chains:
        if chain.server_names and chain.destination_port is not None:
            named[chain.destination_port] = (*named.get(chain.destination_port, ()), *chain.server_names)
    return Egress(
        ports={chain.destination_port or 0: _port(chain, tables) for chain in of_ports},
        passes_on=any(chain.destination_port is None and not chain.server_names for chain in chains),
        named=named,
        passthrough=frozenset(one.name for one in model.clusters if one.discovery is Discovery.ORIGINAL_DST),
        clusters={one.name: one for one in _clusters(sidecar)},
    )


def _port(chain: FilterChain, tables: Mapping[str, RouteTable]) -> HttpPort | TcpPort:
    handler = chain.handler
    if isinstance(handler, TcpHandler):
        return TcpPort(chain.name, handler)
    assert isinstance(handler, HttpHandler)
    table = without_asks(tables[handler.route_table])
    return HttpPort(chain.name, table, max((_idle_s(route) for route in _routes(table)), default=0))


def _routes(table: RouteTable) -> Iterator[Route]:
    for host in table.virtual_hosts:
        yield from host.routes


def _idle_s(route: Route) -> float:
    if not isinstance(route.action, Forward):
        return 0
    own = route.action.idle_timeout_s
    # 0 is no bound at all.
    return _STREAM_IDLE_S if own is None else own or float("inf")


def needs_identity(cluster: Cluster) -> bool:
    """Without one nothing may be sent."""
    return cluster.mesh_tls is not None and _from_mesh(cluster.mesh_tls) != cluster.mesh_tls


def _clusters(sidecar: OwnSidecar) -> Iterator[Cluster]:
    for cluster in sidecar.model.clusters:
        if needs_identity(cluster) and not sidecar.has_identity:
            yield replace(cluster, discovery=Discovery.EDS, endpoints=(), shares_endpoints=False, mesh_tls=None)
        elif cluster.discovery not in (Discovery.ORIGINAL_DST, Discovery.BY_NAME):
            yield _own(cluster, sidecar.endpoints)


def _own(cluster: Cluster, endpoints: Mapping[str, tuple[Endpoint, ...]]) -> Cluster:
    """With its endpoints: no other proxy shares them with this one."""
    if cluster.shares_endpoints:
        own = endpoints.get(cluster.endpoints_name, ())
        cluster = replace(cluster, endpoints=own, shares_endpoints=False, prefers_own_zone=False)
    return cluster if cluster.mesh_tls is None else replace(cluster, mesh_tls=_from_mesh(cluster.mesh_tls))


def _from_mesh(tls: MeshTls) -> MeshTls:
    """What is issued comes from the mesh's controller, all else from the gateway's."""
    certificate, peers = tls.certificate, tls.peers
    if isinstance(certificate, Issued):
        certificate = MeshIssued(certificate)
    if peers is not None and isinstance(peers.authorities, Issued):
        peers = replace(peers, authorities=MeshIssued(peers.authorities))
    return replace(tls, certificate=certificate, peers=peers)
