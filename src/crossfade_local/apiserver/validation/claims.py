"""Validation of PersistentVolumeClaims, PersistentVolumes and StorageClasses."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.metadata import immutable
from crossfade_local.apiserver.validation.shapes import label_selector
from crossfade_local.quantity import QuantityError, parse
from crossfade_local.values.fields import at, mapping, sequence, text

_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_VOLUME_MODES: Final = ("Block", "Filesystem")
_POLICIES: Final = ("Delete", "Recycle", "Retain")
_NO_SOURCE: Final = frozenset(
    {
        "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
        "storageClassName", "volumeAttributesClassName", "volumeMode",
    }
)  # fmt: skip
_BOUND_LATER: Final = ("resources", "volumeAttributesClassName")


def validate_claim(obj: JsonObject) -> Iterator[FieldError]:
    yield from validate_claim_spec("spec", mapping(obj, "spec"))


def validate_claim_spec(field: str, spec: JsonObject) -> Iterator[FieldError]:
    """Also of a StatefulSet's or an ephemeral volume's template."""
    modes = sequence(spec, "accessModes")
    if not modes:
        yield required(f"{field}.accessModes", "at least 1 access mode is required")
    yield from label_selector(f"{field}.selector", spec.get("selector"))
    yield from _access_modes(f"{field}.accessModes", modes)
    requested = at(spec, "resources", "requests", "storage")
    if requested is None:
        yield required(f"{field}.resources[storage]")
    else:
        yield from _positive(f"{field}.resources[storage]", requested)
    yield from _class_name(f"{field}.storageClassName", spec.get("storageClassName"))
    yield from _volume_mode(f"{field}.volumeMode", spec.get("volumeMode"))


def validate_claim_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    """Only its binding, a class where there was none, and a larger size once it is bound may be written."""
    after, before = mapping(new, "spec"), mapping(old, "spec")
    frozen = [{key: value for key, value in spec.items() if key not in _BOUND_LATER} for spec in (after, before)]
    for name in ("volumeName", "storageClassName"):
        if frozen[1].get(name) in (None, ""):
            for spec in frozen:
                spec.pop(name, None)
    size, known = (at(spec, "resources", "requests", "storage") for spec in (after, before))
    is_bound = text(old, "status", "phase") == "Bound"
    changed = any(after.get(name) != before.get(name) for name in _BOUND_LATER)
    if frozen[0] != frozen[1] or (changed and not is_bound):
        said = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        yield forbidden("spec", said)
    elif is_bound and size is not None and known is not None and parse(size) < parse(known):
        yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


def validate_volume(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    modes = sequence(spec, "accessModes")
    if not modes:
        yield required("spec.accessModes")
    yield from _access_modes("spec.accessModes", modes)
    capacity = at(spec, "capacity", "storage")
    if capacity is None:
        yield required("spec.capacity")
    else:
        yield from _positive("spec.capacity[storage]", capacity)
    policy = text(spec, "persistentVolumeReclaimPolicy")
    if policy and policy not in _POLICIES:
        yield not_supported("spec.persistentVolumeReclaimPolicy", policy, _POLICIES)
    yield from _source(spec)
    yield from _class_name("spec.storageClassName", spec.get("storageClassName"))
    yield from _volume_mode("spec.volumeMode", spec.get("volumeMode"))


def _source(spec: JsonObject) -> Iterator[FieldError]:
    sources = [name for name, value in spec.items() if name not in _NO_SOURCE and value is not None]
    if not sources:
        yield required("spec", "must specify a volume type")
    for name in sources[1:]:
        yield forbidden(f"spec.{name}", "may not specify more than 1 volume type")
    for name in ("hostPath", "local"):
        if name in sources and not text(spec, name, "path"):
            yield required(f"spec.{name}.path")
    if "local" in sources and not mapping(spec, "nodeAffinity"):
        yield required("spec.nodeAffinity", "Local volume requires node affinity")
    if "csi" in sources:
        for name in ("driver", "volumeHandle"):
            if not text(spec, "csi", name):
                yield required(f"spec.csi.{name}")


def validate_volume_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    after, before = (
        {key: value for key, value in mapping(obj, "spec").items() if key not in _NO_SOURCE} for obj in (new, old)
    )
    if after != before:
        yield forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")
    yield from immutable("spec.volumeMode", at(new, "spec", "volumeMode"), at(old, "spec", "volumeMode"))


def validate_storage_class(obj: JsonObject) -> Iterator[FieldError]:
    if not text(obj, "provisioner"):
        yield required("provisioner")
    for name, known in (
        ("reclaimPolicy", ("Delete", "Retain")),
        ("volumeBindingMode", ("Immediate", "WaitForFirstConsumer")),
    ):
        value = obj.get(name)
        if value is not None and value not in known:
            yield not_supported(name, value, known)


def validate_storage_class_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    for name in ("parameters", "provisioner"):
        if new.get(name) != old.get(name):
            yield forbidden(name, f"updates to {name} are forbidden.")
    for name in ("reclaimPolicy", "volumeBindingMode"):
        yield from immutable(name, new.get(name), old.get(name))


def _access_modes(field: str, modes: list[Any]) -> Iterator[FieldError]:
    for mode in modes:
        if mode not in _MODES:
            yield not_supported(field, mode, _MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        yield forbidden(field, "may not use ReadWriteOncePod with other access modes")


def _positive(field: str, amount: Any) -> Iterator[FieldError]:
    try:
        if parse(amount) <= 0:
            yield invalid(field, str(amount), "must be greater than zero")
    except QuantityError as error:
        yield invalid(field, str(amount), str(error))


def _class_name(field: str, name: Any) -> Iterator[FieldError]:
    if isinstance(name, str) and name:
        yield from each(field, name, names.dns_subdomain(name))


def _volume_mode(field: str, mode: Any) -> Iterator[FieldError]:
    if mode is not None and mode not in _VOLUME_MODES:
        yield not_supported(field, mode, _VOLUME_MODES)
