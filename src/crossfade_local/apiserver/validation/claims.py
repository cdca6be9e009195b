"""Validation of PersistentVolumeClaims and PersistentVolumes."""

import math
from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    IMMUTABLE,
    FieldError,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.metadata import immutable
from crossfade_local.apiserver.validation.quantities import shown
from crossfade_local.apiserver.validation.scheduling import validate_node_selector
from crossfade_local.apiserver.validation.shapes import label_selector, one_of
from crossfade_local.apiserver.values.gotext import go_struct
from crossfade_local.pod_resources import amount
from crossfade_local.quantity import parse
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
HOST_PATH_TYPES: Final = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_OF_SOURCE: Final = ("apiGroup", "kind", "name")
_NODE_EXPRESSIONS: Final = [{"key": "", "operator": "", "values": None}]
_NODE_AFFINITY: Final = {
    "required": {"nodeSelectorTerms": [{"matchExpressions": _NODE_EXPRESSIONS, "matchFields": _NODE_EXPRESSIONS}]}
}
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
    requested = mapping(spec, "resources", "requests")
    if "storage" in requested:
        yield from _positive(f"{field}.resources[storage]", requested["storage"])
    else:
        yield required(f"{field}.resources[storage]")
    yield from _class_name(f"{field}.storageClassName", spec.get("storageClassName"))
    yield from _volume_mode(f"{field}.volumeMode", spec.get("volumeMode"))
    yield from _data_sources(field, spec)


def _data_sources(field: str, spec: JsonObject) -> Iterator[FieldError]:
    plain, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    for name, source in (("dataSource", plain), ("dataSourceRef", reference)):
        if isinstance(source, dict):
            yield from _data_source(f"{field}.{name}", source)
    if plain is None or reference is None:
        return
    if text(reference, "namespace"):
        yield invalid(field, {}, "may not be specified when dataSourceRef.namespace is specified")
    elif any(text(plain, name) != text(reference, name) for name in _OF_SOURCE):
        yield invalid(field, {}, "must match dataSourceRef")


def _data_source(field: str, source: JsonObject) -> Iterator[FieldError]:
    group, kind, name = (text(source, part) for part in _OF_SOURCE)
    if not name:
        yield required(f"{field}.name")
    if not kind:
        yield required(f"{field}.kind")
    if group:
        yield from each(f"{field}.apiGroup", group, names.dns_subdomain(group))
    elif kind != "PersistentVolumeClaim":
        yield invalid(field, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")


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
    yield from _capacity(spec.get("capacity"))
    policy = text(spec, "persistentVolumeReclaimPolicy")
    if policy and policy not in _POLICIES:
        yield not_supported("spec.persistentVolumeReclaimPolicy", policy, _POLICIES)
    affinity = spec.get("nodeAffinity")
    if isinstance(affinity, dict) and isinstance(affinity.get("required"), dict):
        yield from validate_node_selector("spec.nodeAffinity.required", affinity["required"])
    elif isinstance(affinity, dict):
        yield required("spec.nodeAffinity.required", "must specify required node constraints")
    yield from _source(spec)
    yield from _class_name("spec.storageClassName", spec.get("storageClassName"))
    yield from _volume_mode("spec.volumeMode", spec.get("volumeMode"))


def _capacity(capacity: Any) -> Iterator[FieldError]:
    amounts = mapping({"capacity": capacity}, "capacity")
    if not amounts:
        yield required("spec.capacity")
    if set(amounts) != {"storage"}:
        told = None if capacity is None else {name: shown(value) for name, value in amounts.items()}
        yield not_supported("spec.capacity", told, ("storage",))
    for name, value in sorted(amounts.items()):
        field = f"spec.capacity[{name}]"
        if amount(value) < 0:
            yield invalid(field, math.ceil(amount(value)), "must be a valid resource quantity")
        yield from _positive(field, value)


def _source(spec: JsonObject) -> Iterator[FieldError]:
    sources = [name for name, value in spec.items() if name not in _NO_SOURCE and value is not None]
    if not sources:
        yield required("spec", "must specify a volume type")
    for name in sources[1:]:
        yield forbidden(f"spec.{name}", "may not specify more than 1 volume type")
    for name in ("hostPath", "local"):
        if name in sources and not text(spec, name, "path"):
            yield required(f"spec.{name}.path")
    yield from one_of("spec.hostPath.type", text(spec, "hostPath", "type"), HOST_PATH_TYPES)
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
    yield from immutable("volumeMode", at(new, "spec", "volumeMode"), at(old, "spec", "volumeMode"))
    affinity, known = at(new, "spec", "nodeAffinity"), at(old, "spec", "nodeAffinity")
    if known is not None and affinity != known:
        said = f"{IMMUTABLE}, except for updating from beta label to GA"
        yield invalid("nodeAffinity", go_struct(affinity, _NODE_AFFINITY), said)


def _access_modes(field: str, modes: list[Any]) -> Iterator[FieldError]:
    for mode in modes:
        if mode not in _MODES:
            yield not_supported(field, mode, _MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        yield forbidden(field, "may not use ReadWriteOncePod with other access modes")


def _positive(field: str, value: Any) -> Iterator[FieldError]:
    if amount(value) <= 0:
        yield invalid(field, shown(value), "must be greater than zero")


def _class_name(field: str, name: Any) -> Iterator[FieldError]:
    if isinstance(name, str) and name:
        yield from each(field, name, names.dns_subdomain(name))


def _volume_mode(field: str, mode: Any) -> Iterator[FieldError]:
    if mode is not None and mode not in _VOLUME_MODES:
        yield not_supported(field, mode, _VOLUME_MODES)
