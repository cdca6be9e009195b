"""Validation of StorageClasses."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    each,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.metadata import immutable
from crossfade_local.values.fields import objects, sequence, text

_RECLAIM_POLICIES: Final = ("Delete", "Retain")
_BINDING_MODES: Final = ("Immediate", "WaitForFirstConsumer")
_Topology = dict[str, set[Any]]


def validate_storage_class(obj: JsonObject) -> Iterator[FieldError]:
    provisioner = text(obj, "provisioner").lower()
    if provisioner:
        yield from each("provisioner", provisioner, names.qualified_name(provisioner))
    else:
        yield required("provisioner")
    policy, mode = text(obj, "reclaimPolicy"), obj.get("volumeBindingMode")
    if policy and policy not in _RECLAIM_POLICIES:
        yield not_supported("reclaimPolicy", policy, _RECLAIM_POLICIES)
    if mode is not None and mode not in _BINDING_MODES:
        yield not_supported("volumeBindingMode", mode, _BINDING_MODES)
    yield from _validate_topologies(objects(obj, "allowedTopologies"))


def validate_storage_class_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from immutable("parameters", new.get("parameters"), old.get("parameters"))
    yield from immutable("provisioner", text(new, "provisioner"), text(old, "provisioner"))
    for name in ("reclaimPolicy", "volumeBindingMode"):
        yield from immutable(name, new.get(name), old.get(name))


def _validate_topologies(topologies: list[JsonObject]) -> Iterator[FieldError]:
    # Kubernetes takes a topology that says nothing for one that is there already.
    taken: list[_Topology] = [{}]
    for index, topology in enumerate(topologies):
        field, said = f"allowedTopologies[{index}].matchLabelExpressions", _Topology()
        for position, expression in enumerate(objects(topology, "matchLabelExpressions")):
            key = text(expression, "key")
            yield from _validate_expression(f"{field}[{position}]", expression)
            if key in said:
                yield duplicate(f"{field}[{position}].key", key)
            said[key] = set(sequence(expression, "values"))
        if said in taken:
            yield duplicate(field, "")
        taken.append(said)


def _validate_expression(field: str, expression: JsonObject) -> Iterator[FieldError]:
    values, key = sequence(expression, "values"), text(expression, "key")
    if not values:
        yield required(f"{field}.values")
    taken: set[Any] = set()
    for index, value in enumerate(values):
        if value in taken:
            yield duplicate(f"{field}.values[{index}]", value)
        taken.add(value)
    yield from each(f"{field}.key", key, names.qualified_name(key))
