"""What of a gateway's model is not published because its proxy refuses it."""

from collections.abc import Collection
from typing import TypeAlias

from msgspec import Struct, structs

from crossfade.compile.model import FilterChain, Listener, ProxyModel
from crossfade.compile.routing.routes import RouteTable
from crossfade.compile.routing.tables import Action, GatewayTables
from crossfade_kube.meta import ObjectRef

Part: TypeAlias = RouteTable | Listener | GatewayTables
"""Of a model: what a proxy takes or refuses as a whole. Of a gateway's tables that is the table of actions."""


class Withheld(Struct, frozen=True):
    """Held back by content: a new version of the same object is tried again."""

    chains: tuple[FilterChain, ...] = ()
    actions: tuple[Action, ...] = ()


def withheld(before: Withheld, part: Part, refs: Collection[ObjectRef]) -> Withheld:
    """And what these objects bring into the part."""
    match part:
        case Listener():
            found = (chain for chain in part.chains if chain.origin is not None and chain.origin.ref in refs)
            return structs.replace(before, chains=(*before.chains, *found))
        case GatewayTables():
            names = [name for name, ref in action_origins(part).items() if ref in refs]
            return structs.replace(before, actions=(*before.actions, *(part.actions[name] for name in names)))
        case RouteTable():
            return before


def without(model: ProxyModel, held: Withheld) -> ProxyModel:
    """A route whose action is held back is answered 503, a server name whose chain is has the default certificate."""
    left = (
        structs.replace(listener, chains=tuple(chain for chain in listener.chains if chain not in held.chains))
        for listener in model.listeners
    )
    # Envoy takes none without chains.
    listeners = tuple(one for one in left if one.chains or one.datagrams is not None)
    gateway = model.gateway
    if gateway is not None:
        actions = {name: action for name, action in gateway.actions.items() if action not in held.actions}
        gateway = structs.replace(gateway, actions=actions)
    return structs.replace(model, listeners=listeners, gateway=gateway)


def still_wanted(held: Withheld, model: ProxyModel) -> Withheld:
    chains = [chain for listener in model.listeners for chain in listener.chains]
    actions = model.gateway.actions.values() if model.gateway is not None else ()
    return Withheld(
        tuple(chain for chain in held.chains if chain in chains),
        tuple(action for action in held.actions if action in actions),
    )


def action_origins(gateway: GatewayTables) -> dict[str, ObjectRef]:
    """By the name of an action: the object that brings it in, the first where several do."""
    found: dict[str, ObjectRef] = {}
    for row in gateway.routes:
        if row.value.action in gateway.actions:
            found.setdefault(row.value.action, row.origin.ref)
    return found
