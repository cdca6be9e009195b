"""Which kinds of objects are read from manifests, and what is said about each before anything is compiled."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from crossfade.admission.kong import WITHOUT_EFFECT, verdict_on_item
from crossfade.compile.diagnostics import Severity
from crossfade.compile.gateway.compiler import INPUT_KINDS
from crossfade.gateway_files.schemas import Schemas
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.meta import JsonObject, ObjectRef
from crossfade_kube.registry import TypedObject

BETA_INGRESS: Final = frozenset({"extensions/v1beta1", "networking.k8s.io/v1beta1"})
# Manifests for a cluster hold these too; they mean nothing here and need no word.
_WITHOUT_MEANING: Final = frozenset({"Namespace", "ServiceAccount", "CustomResourceDefinition"})


class Problem(Struct, frozen=True):
    """`field` is a JSON path in the object, empty for all of it. An error keeps the object out."""

    field: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    code: str = "object.invalid"


class Reading(NamedTuple):
    """`kinds` by apiVersion and kind. `rules` judges an object of a known kind, beyond its schema; `foreign` says what
    others mean here.
    """

    kinds: Mapping[tuple[str, str], type[TypedObject]]
    schemas: Schemas
    rules: Callable[[TypedObject, JsonObject], Iterable[Problem]]
    foreign: Callable[[ObjectRef], tuple[Problem, ...]]


def gateway_reading(schemas: Schemas) -> Reading:
    """What the gateway reads, by the rules of Kong's admission."""
    return Reading(readable(INPUT_KINDS), schemas, kong_problems, _foreign)


def readable(kinds: Iterable[type[TypedObject]]) -> Mapping[tuple[str, str], type[TypedObject]]:
    """By every apiVersion that they may be written in."""
    return {
        (version, kind.RESOURCE.kind): kind
        for kind in kinds
        for version in (kind.RESOURCE.api_version, *(BETA_INGRESS if kind is Ingress else ()))
    }


def kong_problems(item: TypedObject, document: JsonObject) -> Iterable[Problem]:
    """As Kong's admission webhook, which knows no other object."""
    del document
    return [Problem(each.field, each.message, each.hint) for each in verdict_on_item(item, {}).problems]


def _foreign(ref: ObjectRef) -> tuple[Problem, ...]:
    if ref.kind in _WITHOUT_MEANING:
        return ()
    names = ", ".join(sorted({kind.RESOURCE.kind for kind in INPUT_KINDS}))
    effect = WITHOUT_EFFECT.get(ref.kind)
    text = f"{ref.api_version} {ref.kind} has no effect here{f': {effect}' if effect else ''}"
    return (Problem("", text, f"the gateway reads {names}", Severity.WARNING, "kind.unread"),)
