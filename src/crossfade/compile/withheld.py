"""What of a gateway's model is not published because its proxy refuses it."""

from collections.abc import Collection, Mapping
from typing import TypeAlias

from msgspec import Struct, structs

from crossfade.compile.model import FilterChain, Listener, ProxyModel
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Respond, Route, RouteTable, VirtualHost
from crossfade.compile.routing.tables import Action, GatewayTables, MeshRoutes
from crossfade_kube.meta import ObjectRef

Part: TypeAlias = RouteTable | Listener | GatewayTables
"""Of a model: what a proxy takes or refuses as a whole. Of a gateway's tables that is the table of actions."""


class Withheld(Struct, frozen=True):
    """Held back by content: a new version of the same object is tried again. `hosts` are those of a mesh."""

    chains: tuple[FilterChain, ...] = ()
    actions: tuple[Action, ...] = ()
    hosts: tuple[VirtualHost, ...] = ()


def withheld(before: Withheld, part: Part, refs: Collection[ObjectRef]) -> Withheld:
    """And what these objects bring into the part."""
    match part:
        case Listener():
            found = (chain for chain in part.chains if chain.origin is not None and chain.origin.ref in refs)
            return structs.replace(before, chains=(*before.chains, *found))
        case GatewayTables():
            names = [name for name, ref in action_origins(part).items() if ref in refs]
            actions = (*before.actions, *(part.actions[name] for name in names))
            hosts = (host for host in _hosts(part) if not refs_of(host).isdisjoint(refs))
            return structs.replace(before, actions=actions, hosts=(*before.hosts, *hosts))
        case RouteTable():
            return before


def without(model: ProxyModel, held: Withheld) -> ProxyModel:
    """A route whose action is held back is answered 503, a server name whose chain is has the default certificate.

    So is what goes to a virtual service of which any route is held back: others could take what was meant for that one.
    """
    left = (
        structs.replace(listener, chains=tuple(chain for chain in listener.chains if chain not in held.chains))
        for listener in model.listeners
    )
    # Envoy takes none without chains.
    listeners = tuple(one for one in left if one.chains or one.datagrams is not None)
    gateway = model.gateway
    if gateway is not None:
        actions = {name: action for name, action in gateway.actions.items() if action not in held.actions}
        gateway = structs.replace(gateway, actions=actions, mesh=_without_hosts(gateway, held.hosts))
    return structs.replace(model, listeners=listeners, gateway=gateway)


def still_wanted(held: Withheld, model: ProxyModel) -> Withheld:
    chains = [chain for listener in model.listeners for chain in listener.chains]
    actions = model.gateway.actions.values() if model.gateway is not None else ()
    hosts = _hosts(model.gateway) if model.gateway is not None and held.hosts else ()
    return Withheld(
        tuple(chain for chain in held.chains if chain in chains),
        tuple(action for action in held.actions if action in actions),
        tuple(host for host in held.hosts if host in hosts),
    )


def refs_of(host: VirtualHost) -> frozenset[ObjectRef]:
    """All objects that it is made of."""
    own = () if host.origin is None else (host.origin.ref,)
    return frozenset((*own, *(route.origin.ref for route in host.routes)))


def _hosts(gateway: GatewayTables) -> tuple[VirtualHost, ...]:
    return tuple(dict.fromkeys(host for mesh in gateway.mesh.values() for host in mesh.hosts))


def _without_hosts(gateway: GatewayTables, held: Collection[VirtualHost]) -> Mapping[str, MeshRoutes]:
    if not held:
        return gateway.mesh
    return {
        name: structs.replace(mesh, hosts=tuple(_closed(host) if host in held else host for host in mesh.hosts))
        for name, mesh in gateway.mesh.items()
    }


def _closed(host: VirtualHost) -> VirtualHost:
    origin = host.origin or host.routes[0].origin
    refusal = Respond(503, "the mesh's routes cannot be carried out")
    return structs.replace(host, routes=(Route("refused", RouteMatch(), refusal, Origin(origin.ref)),))


def action_origins(gateway: GatewayTables) -> dict[str, ObjectRef]:
    """By the name of an action: the object that brings it in, the first where several do."""
    found: dict[str, ObjectRef] = {}
    for row in gateway.routes:
        if row.value.action in gateway.actions:
            found.setdefault(row.value.action, row.origin.ref)
    return found
