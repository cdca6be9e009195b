"""Streams through a mesh: connections have a port only, by which a backend of tcp takes them."""

from collections.abc import Mapping

from msgspec import structs

from crossfade.compile.mesh_native.egress import Egress, TcpPort
from crossfade.compile.mesh_native.treatment import Closed, Treatment
from crossfade.compile.model import FilterChain, Listener, TcpHandler


def stream_listeners(
    listeners: tuple[Listener, ...], of_cluster: Mapping[str, Treatment], egress: Egress
) -> tuple[tuple[Listener, ...], frozenset[str]]:
    """And the mesh's clusters that they use. Datagrams pass every sidecar by (appmesh.md §0 D9)."""
    used: set[str] = set()

    def chain_in_mesh(chain: FilterChain) -> FilterChain:
        handler = chain.handler
        if not isinstance(handler, TcpHandler):
            return chain
        found = of_cluster.get(handler.destinations[0].cluster)
        if not isinstance(found, TcpPort):
            return chain
        used.update(one.cluster for one in found.handler.destinations)
        own = structs.replace(
            handler,
            destinations=found.handler.destinations,
            connect_attempts=found.handler.connect_attempts,
            idle_timeout_s=_shorter(handler.idle_timeout_s, found.handler.idle_timeout_s),
            hashes_address=False,
        )
        return structs.replace(chain, handler=own)

    made = tuple(structs.replace(one, chains=tuple(map(chain_in_mesh, one.chains))) for one in listeners)
    return made, frozenset(used & egress.clusters.keys())


def closed_clusters(listeners: tuple[Listener, ...], of_cluster: Mapping[str, Treatment]) -> frozenset[str]:
    """Kong's clusters whose streams end at once."""
    handlers = (chain.handler for listener in listeners for chain in listener.chains)
    names = (one.cluster for handler in handlers if isinstance(handler, TcpHandler) for one in handler.destinations)
    return frozenset(name for name in names if isinstance(of_cluster.get(name), Closed))


def _shorter(one: float | None, other: float | None) -> float | None:
    """None and 0 are no bound."""
    bounds = [bound for bound in (one, other) if bound]
    return min(bounds, default=None)
