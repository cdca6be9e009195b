"""Which objects a part of a model is made of, and the part without some of them: what a search for culprits tries."""

from collections.abc import Collection, Iterator

from msgspec import structs

from crossfade.compile.model import FilterChain, Listener
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import RouteTable, VirtualHost
from crossfade.compile.routing.tables import GatewayTables
from crossfade.compile.withheld import Part, action_origins
from crossfade_kube.meta import ObjectRef


def origins_of(part: Part) -> tuple[ObjectRef, ...]:
    """Each once, in the order of the part; only those without which the part could do."""
    if isinstance(part, GatewayTables):
        of_mesh = (origin.ref for mesh in part.mesh.values() for origin in _of_hosts(mesh.hosts) if origin is not None)
        return tuple(dict.fromkeys((*action_origins(part).values(), *of_mesh)))
    found = _of_table(part) if isinstance(part, RouteTable) else _of_chains(part.chains)
    return tuple(dict.fromkeys(origin.ref for origin in found if origin is not None))


def without_origins(part: Part, refs: Collection[ObjectRef]) -> Part:
    """Not to be served as it is: what is left may take requests that were meant for what is gone."""
    if isinstance(part, Listener):
        return structs.replace(part, chains=tuple(chain for chain in part.chains if _stays(chain.origin, refs)))
    if isinstance(part, GatewayTables):
        origins = action_origins(part)
        left = {name: action for name, action in part.actions.items() if origins.get(name) not in refs}
        mesh = {name: structs.replace(one, hosts=_hosts_without(one.hosts, refs)) for name, one in part.mesh.items()}
        return structs.replace(part, actions=left, mesh=mesh)
    return structs.replace(part, virtual_hosts=_hosts_without(part.virtual_hosts, refs))


def _hosts_without(hosts: tuple[VirtualHost, ...], refs: Collection[ObjectRef]) -> tuple[VirtualHost, ...]:
    return tuple(_host_without(host, refs) for host in hosts if _stays(host.origin, refs))


def _host_without(host: VirtualHost, refs: Collection[ObjectRef]) -> VirtualHost:
    return structs.replace(host, routes=tuple(route for route in host.routes if _stays(route.origin, refs)))


def _stays(origin: Origin | None, refs: Collection[ObjectRef]) -> bool:
    return origin is None or origin.ref not in refs


def _of_table(table: RouteTable) -> Iterator[Origin | None]:
    return _of_hosts(table.virtual_hosts)


def _of_hosts(hosts: tuple[VirtualHost, ...]) -> Iterator[Origin | None]:
    for host in hosts:
        yield host.origin
        for route in host.routes:
            yield route.origin


def _of_chains(chains: tuple[FilterChain, ...]) -> Iterator[Origin | None]:
    for chain in chains:
        yield chain.origin
