"""Encodes a proxy's model so that one part that cannot be encoded costs that part only, and names whose part it is.

Compilers let nothing through that Envoy's messages cannot hold; this is for what they overlooked.
"""

from collections.abc import Iterator
from typing import NamedTuple

from crossfade.compile.culprits import judged, search
from crossfade.compile.model import Cluster, Listener, ProxyModel, RouteTable
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


class Encoding(NamedTuple):
    resources: ResourceSet
    unencodable: tuple[Unencodable, ...] = ()


def encode(model: ProxyModel, options: EnvoyOptions) -> Encoding:
    """Whole where that works, else part by part. Raises for a gateway's tables: they are no part of any object."""
    try:
        return Encoding(resources_from_model(model, options=options))
    except Exception:
        if model.gateway is not None:
            raise
        return _one_by_one(model, options)


def _one_by_one(model: ProxyModel, options: EnvoyOptions) -> Encoding:
    found: dict[ResourceType, dict[str, Resource]] = {}
    failed = []
    for kind, part in _parts(model):
        try:
            resources = _encoded_alone(part, options)
        except Exception as exc:
            failed.append(Unencodable(kind, part.name, exc, _culprits(part, options)))
            continue
        for each in _KINDS_OF[kind]:
            found.setdefault(each, {}).update(resources.of(each))
    return Encoding(ResourceSet(found), tuple(failed))


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


def _encoded_alone(part: Part, options: EnvoyOptions) -> ResourceSet:
    match part:
        case Cluster():
            alone = ProxyModel(clusters=(part,))
        case Listener():
            alone = ProxyModel(listeners=(part,))
        case RouteTable():
            alone = ProxyModel(route_tables=(part,))
    return resources_from_model(alone, options=options)


def _culprits(part: Part, options: EnvoyOptions) -> tuple[ObjectRef, ...]:
    if isinstance(part, Cluster):
        return (part.origin.ref,)
    state = search(origins_of(part))
    while not state.is_over:
        rest = without_origins(part, state.left_out)
        state = judged(state, is_refused=not _can_be_encoded(rest, options))
    return () if state.is_hopeless else state.guilty


def _can_be_encoded(part: Part, options: EnvoyOptions) -> bool:
    try:
        _encoded_alone(part, options)
    except Exception:
        return False
    return True
