"""Validation of Nodes."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    ErrorType,
    FieldError,
    each,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.values.gotext import go_struct
from crossfade_local.values.fields import mapping, objects, sequence, text

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TAINT: Final = {"key": "", "value": "", "effect": "", "timeAdded": None}


def validate_node(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    yield from _validate_taints(objects(spec, "taints"))
    yield from _validate_networks(_networks(spec))


def _validate_taints(taints: list[JsonObject]) -> Iterator[FieldError]:
    taken: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        # That is where Kubernetes says they are.
        field = f"metadata.taints[{index}]"
        key, value, effect = text(taint, "key"), text(taint, "value"), text(taint, "effect")
        yield from each(f"{field}.key", key, names.qualified_name(key))
        if problems := names.label_value(value):
            yield invalid(f"{field}.value", value, ";".join(problems))
        if not effect:
            yield required(f"{field}.effect")
        elif effect not in _EFFECTS:
            yield not_supported(f"{field}.effect", effect, _EFFECTS)
        if (key, effect) in taken:
            shown = go_struct(taint, _TAINT)
            yield FieldError(ErrorType.DUPLICATE, field, shown, "taints must be unique by key and effect pair")
        taken.add((key, effect))


def _networks(spec: JsonObject) -> list[str]:
    """`podCIDR` is the older field, and means the first of the others."""
    first, found = text(spec, "podCIDR"), [str(network) for network in sequence(spec, "podCIDRs")]
    return [first] if first and found[:1] != [first] else found


def _validate_networks(networks: list[str]) -> Iterator[FieldError]:
    problems = [names.cidr(network) for network in networks]
    for index, network in enumerate(networks):
        yield from each(f"spec.podCIDRs[{index}]", network, problems[index])
    if len(networks) > 1 and not any(problems):
        families = {":" in network for network in networks}
        if len(families) < len(networks):
            yield invalid("spec.podCIDRs", networks, "may specify no more than one CIDR for each IP family")
