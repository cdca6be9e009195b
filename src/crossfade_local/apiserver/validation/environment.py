"""Validation of environment variables and their sources."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, each, invalid, not_supported, required
from crossfade_local.values.fields import mapping, objects, text

_FIELD_PATHS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_RESOURCE_FIELDS: Final = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_ONE_SOURCE: Final = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
)
_TOO_MANY: Final = "may not have more than one field specified at a time"


def validate_environment(field: str, container: JsonObject) -> Iterator[FieldError]:
    for index, variable in enumerate(objects(container, "env")):
        place, name = f"{field}.env[{index}]", text(variable, "name")
        if name:
            yield from each(f"{place}.name", name, names.env_name(name))
        else:
            yield required(f"{place}.name")
        if isinstance(variable.get("valueFrom"), dict):
            yield from _validate_source(f"{place}.valueFrom", variable)
    for index, source in enumerate(objects(container, "envFrom")):
        yield from _validate_bulk(f"{field}.envFrom", index, source)


def _validate_source(field: str, variable: JsonObject) -> Iterator[FieldError]:
    source = mapping(variable, "valueFrom")
    present = [name for name in _SOURCES if isinstance(source.get(name), dict)]
    for name in present:
        place = f"{field}.{name}"
        if name == "fieldRef":
            yield from _validate_field_path(place, source[name])
        elif name == "resourceFieldRef":
            yield from _validate_resource(place, text(source, name, "resource"))
        elif name != "fileKeyRef":
            yield from _validate_key(place, source[name])
    if not present:
        yield invalid(field, "", _ONE_SOURCE)
    elif text(variable, "value"):
        yield invalid(field, "", "may not be specified when `value` is not empty")
    elif len(present) > 1:
        yield invalid(field, "", _TOO_MANY)


def _validate_field_path(field: str, reference: JsonObject) -> Iterator[FieldError]:
    path = text(reference, "fieldPath")
    base, bracket, subscript = path.partition("['")
    if not path:
        yield required(f"{field}.fieldPath")
    elif bracket and base in ("metadata.labels", "metadata.annotations"):
        key = subscript.removesuffix("']")
        checked = key.lower() if base == "metadata.annotations" else key
        yield from each(field, checked, names.qualified_name(checked))
    elif bracket:
        said = f"error converting fieldPath: field label does not support subscript: {path}"
        yield invalid(f"{field}.fieldPath", path, said)
    elif path in ("metadata.labels", "metadata.annotations"):
        yield not_supported(f"{field}.fieldPath", path, _FIELD_PATHS)
    elif path not in _FIELD_PATHS:
        said = f"error converting fieldPath: field label not supported: {path}"
        yield invalid(f"{field}.fieldPath", path, said)


def _validate_resource(field: str, resource: str) -> Iterator[FieldError]:
    if not resource:
        yield required(f"{field}.resource")
    elif resource not in _RESOURCE_FIELDS and not resource.startswith(("limits.hugepages-", "requests.hugepages-")):
        yield not_supported(f"{field}.resource", resource, _RESOURCE_FIELDS)


def _validate_key(field: str, reference: JsonObject) -> Iterator[FieldError]:
    name, key = text(reference, "name"), text(reference, "key")
    yield from each(f"{field}.name", name, names.dns_subdomain(name))
    if key:
        yield from each(f"{field}.key", key, names.config_key(key))
    else:
        yield required(f"{field}.key")


def _validate_bulk(field: str, index: int, source: JsonObject) -> Iterator[FieldError]:
    place, prefix = f"{field}[{index}]", text(source, "prefix")
    if prefix:
        yield from each(f"{place}.prefix", prefix, names.env_name(prefix))
    present = [name for name in ("configMapRef", "secretRef") if isinstance(source.get(name), dict)]
    for name in present:
        value = text(source, name, "name")
        if value:
            yield from each(f"{place}.{name}.name", value, names.subdomain_name(value, True))
        else:
            yield required(f"{place}.{name}.name")
    if not present:
        yield invalid(field, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(present) > 1:
        yield invalid(field, "", _TOO_MANY)
