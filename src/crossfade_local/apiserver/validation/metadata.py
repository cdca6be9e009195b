"""Validation of `metadata`: names, labels, annotations, owners, finalizers, and what may not change."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    IMMUTABLE,
    FieldError,
    each,
    forbidden,
    invalid,
    required,
    too_long,
)
from crossfade_local.apiserver.validation.names import NameCheck
from crossfade_local.apiserver.values.gotext import quoted
from crossfade_local.values.fields import mapping, objects, sequence, text

_ANNOTATIONS_LIMIT: Final = 256 * 1024
_FIXED: Final = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_ORPHAN, _FOREGROUND = "orphan", "foregroundDeletion"
_STANDARD: Final = frozenset({"kubernetes", _ORPHAN, _FOREGROUND})
NOT_QUALIFIED: Final = "name is neither a standard finalizer name nor is it fully qualified"


def validate_metadata(
    obj: JsonObject, *, namespaced: bool, name_check: NameCheck, is_custom: bool = False
) -> Iterator[FieldError]:
    """Of an object as it is (on create, and wherever an update validates the whole object again).

    Finalizers of custom resources may be bare names.
    """
    metadata = mapping(obj, "metadata")
    if base := text(metadata, "generateName"):
        yield from each("metadata.generateName", base, name_check(base, True))
    if name := text(metadata, "name"):
        yield from each("metadata.name", name, name_check(name, False))
    else:
        yield required("metadata.name", "name or generateName is required")
    namespace = text(metadata, "namespace")
    if namespaced and namespace:
        yield from each("metadata.namespace", namespace, names.label_name(namespace, False))
    elif namespaced:
        yield required("metadata.namespace")
    elif namespace:
        yield forbidden("metadata.namespace", "not allowed on this type")
    yield from validate_labels(mapping(metadata, "labels"), "metadata.labels")
    yield from validate_annotations(mapping(metadata, "annotations"), "metadata.annotations")
    yield from _validate_owners(objects(metadata, "ownerReferences"))
    yield from _validate_finalizers(sequence(metadata, "finalizers"))
    if not is_custom:
        yield from _validate_origins(sequence(metadata, "finalizers"))


def validate_metadata_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    after, before = mapping(new, "metadata"), mapping(old, "metadata")
    if before.get("deletionTimestamp"):
        extra = sorted(set(sequence(after, "finalizers")) - set(sequence(before, "finalizers")))
        if extra:
            listed = ", ".join(map(quoted, extra))
            said = "no new finalizers can be added if the object is being deleted, found new finalizers"
            yield forbidden("metadata.finalizers", f"{said} []string{{{listed}}}")
    for name in _FIXED:
        yield from immutable(f"metadata.{name}", after.get(name), before.get(name))
    yield from validate_labels(mapping(after, "labels"), "metadata.labels")
    yield from validate_annotations(mapping(after, "annotations"), "metadata.annotations")
    yield from _validate_owners(objects(after, "ownerReferences"))


def immutable(field: str, new: Any, old: Any) -> Iterator[FieldError]:
    """Empty containers and absent ones are the same."""
    if new != old and (new or old):
        yield invalid(field, new, IMMUTABLE)


def validate_labels(labels: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    for key in sorted(labels):
        yield from each(field, key, names.qualified_name(key))
        value = labels[key] if isinstance(labels[key], str) else ""
        yield from each(field, value, names.label_value(value))


def validate_annotations(annotations: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    for key in sorted(annotations):
        yield from each(field, key, names.qualified_name(key.lower()))
    yield from annotations_too_long(annotations, field)


def annotations_too_long(annotations: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        yield too_long(field, _ANNOTATIONS_LIMIT)


def _validate_owners(owners: Iterable[JsonObject]) -> Iterator[FieldError]:
    field = "metadata.ownerReferences"
    controller = ""
    for owner in owners:
        version = text(owner, "apiVersion")
        if not version.rpartition("/")[2]:
            yield invalid(f"{field}.apiVersion", version, "version must not be empty")
        for name in ("kind", "name", "uid"):
            if not text(owner, name):
                yield invalid(f"{field}.{name}", text(owner, name), "must not be empty")
        if version == "v1" and text(owner, "kind") == "Event":
            yield invalid(field, owner, "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller") is True:
            current = f"{text(owner, 'kind')}/{text(owner, 'name')}"
            if controller:
                said = 'Only one reference can have Controller set to true. Found "true" in references for'
                yield invalid(field, list(owners), f"{said} {controller} and {current}")
            controller = controller or current


def _validate_origins(finalizers: list[Any]) -> Iterator[FieldError]:
    for index, finalizer in enumerate(finalizers):
        if "/" not in str(finalizer) and finalizer not in _STANDARD:
            yield invalid(f"metadata.finalizers[{index}]", finalizer, NOT_QUALIFIED)


def _validate_finalizers(finalizers: list[Any]) -> Iterator[FieldError]:
    field = "metadata.finalizers"
    for finalizer in finalizers:
        yield from each(field, finalizer, names.qualified_name(str(finalizer)))
    if _ORPHAN in finalizers and _FOREGROUND in finalizers:
        yield invalid(field, finalizers, f"finalizer {_ORPHAN} and {_FOREGROUND} cannot be both set")
