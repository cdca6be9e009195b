"""Names the objects for which a resource cannot be encoded.

Compilers let nothing through that Envoy's messages cannot hold; this is for what they overlooked.
"""

from collections.abc import Iterable
from typing import NamedTuple

from google.protobuf.message import Message

from crossfade.compile.culprits import judged, search
from crossfade.compile.model import Listener, ProxyModel
from crossfade.compile.origins import without_origins
from crossfade.compile.routing.routes import RouteTable
from crossfade.compile.withheld import Part
from crossfade.envoy.actions import action_table
from crossfade.envoy.listener import listener_from_model
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.resources import Failed
from crossfade.envoy.route import route_configuration
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.suspects import part_of, suspects_of
from crossfade_kube.meta import ObjectRef


class Unencodable(NamedTuple):
    """`culprits` are the objects without which it could be encoded; empty where that helps nothing."""

    kind: ResourceType
    name: str
    exception: Exception
    culprits: tuple[ObjectRef, ...]

    @property
    def reason(self) -> str:
        return f"it cannot be encoded ({type(self.exception).__name__})"


def unencodable(model: ProxyModel, failed: Iterable[Failed], options: EnvoyOptions) -> tuple[Unencodable, ...]:
    return tuple(Unencodable(*one, _culprits(model, one, options)) for one in failed)


def _culprits(model: ProxyModel, failed: Failed, options: EnvoyOptions) -> tuple[ObjectRef, ...]:
    suspects = suspects_of(model, failed.kind, failed.name)
    part = part_of(model, failed.kind, failed.name)
    if part is None:
        return suspects
    state = search(suspects)
    while not state.is_over:
        rest = without_origins(part, state.left_out)
        state = judged(state, is_refused=not _can_be_encoded(rest, options))
    return () if state.is_hopeless else state.guilty


def _can_be_encoded(part: Part, options: EnvoyOptions) -> bool:
    try:
        _message(part, options)
    except Exception:
        return False
    return True


def _message(part: Part, options: EnvoyOptions) -> Message:
    match part:
        case Listener():
            return listener_from_model(part, options)
        case RouteTable():
            return route_configuration(part)
        case _:
            return action_table(part.actions, options, part.mesh)
