"""Encodes a proxy's model so that one part that cannot be encoded costs that part only, and names whose part it is.

Compilers let nothing through that Envoy's messages cannot hold; this is for what they overlooked.
"""

from collections.abc import Iterator
from typing import NamedTuple

from crossfade.compile.culprits import judged, search
from crossfade.compile.model import (
    Cluster,
    Dialect,
    Direction,
    FilterChain,
    HttpHandler,
    Listener,
    ProxyModel,
    RouteTable,
)
from crossfade.compile.origins import origins_of, without_origins
from crossfade.envoy.resource_set import Resource, ResourceSet, ResourceType
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade_kube.meta import ObjectRef

Part = Cluster | Listener | RouteTable


class Unencodable(NamedTuple):
    """`culprits` are the objects without which it could be encoded; empty where that helps nothing."""

    kind: ResourceType
    name: str
    exception: Exception
    culprits: tuple[ObjectRef, ...]


class Encoded(NamedTuple):
    resources: ResourceSet
    unencodable: tuple[Unencodable, ...] = ()


def encode(model: ProxyModel, options: EnvoyOptions) -> Encoded:
    """Whole where that works, else part by part."""
    try:
        return Encoded(resources_from_model(model, options=options))
    except Exception:
        return _one_by_one(model, options)


def _one_by_one(model: ProxyModel, options: EnvoyOptions) -> Encoded:
    found: dict[ResourceType, dict[str, Resource]] = {}
    failed = []
    for kind, part in _parts(model):
        try:
            resources = _encoded_alone(part, model, options)
        except Exception as exc:
            failed.append(Unencodable(kind, part.name, exc, _culprits(part, model, options)))
            continue
        for each in _KINDS_OF[kind]:
            found.setdefault(each, {}).update(resources.of(each))
    consumers = resources_from_model(ProxyModel(consumers=model.consumers), options=options)
    found[ResourceType.EXTENSION] = dict(consumers.of(ResourceType.EXTENSION))
    return Encoded(ResourceSet(found), tuple(failed))


def _parts(model: ProxyModel) -> Iterator[tuple[ResourceType, Part]]:
    for cluster in model.clusters:
        yield ResourceType.CLUSTER, cluster
    for listener in model.listeners:
        yield ResourceType.LISTENER, listener
    for table in model.route_tables:
        yield ResourceType.ROUTES, table


_KINDS_OF = {
    ResourceType.CLUSTER: (ResourceType.CLUSTER, ResourceType.ENDPOINTS),
    ResourceType.LISTENER: (ResourceType.LISTENER,),
    ResourceType.ROUTES: (ResourceType.ROUTES,),
}


def _encoded_alone(part: Part, model: ProxyModel, options: EnvoyOptions) -> ResourceSet:
    match part:
        case Cluster():
            alone = ProxyModel(clusters=(part,))
        case Listener():
            alone = ProxyModel(listeners=(part,), consumers=model.consumers)
        case RouteTable():
            alone = ProxyModel(listeners=(_user_of(part, model),), route_tables=(part,))
    return resources_from_model(alone, options=options)


def _user_of(table: RouteTable, model: ProxyModel) -> Listener:
    """A table is written in the dialect of the handler that uses it."""
    handlers = (chain.handler for listener in model.listeners for chain in listener.chains)
    named = (one for one in handlers if isinstance(one, HttpHandler) and one.route_table == table.name)
    dialect = next((one.dialect for one in named), Dialect.APP_MESH)
    chain = FilterChain("user", HttpHandler(table.name, "user", dialect))
    return Listener("user", "127.0.0.1", 1, Direction.INBOUND, (chain,))


def _culprits(part: Part, model: ProxyModel, options: EnvoyOptions) -> tuple[ObjectRef, ...]:
    if isinstance(part, Cluster):
        return (part.origin.ref,)
    state = search(origins_of(part))
    while not state.is_over:
        rest = without_origins(part, state.left_out)
        state = judged(state, is_refused=not _can_be_encoded(rest, model, options))
    return () if state.is_hopeless else state.guilty


def _can_be_encoded(part: Part, model: ProxyModel, options: EnvoyOptions) -> bool:
    try:
        _encoded_alone(part, model, options)
    except Exception:
        return False
    return True
