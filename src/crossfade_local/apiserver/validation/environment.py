"""Validation of environment variables and their sources."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.downward_api import (
    ENVIRONMENT_FIELDS,
    validate_field_reference,
    validate_resource_reference,
)
from crossfade_local.apiserver.validation.errors import FieldError, each, invalid, required
from crossfade_local.values.fields import mapping, objects, text

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
            yield from validate_field_reference(place, source[name], ENVIRONMENT_FIELDS)
        elif name == "resourceFieldRef":
            yield from validate_resource_reference(place, source[name], of_another=False)
        elif name != "fileKeyRef":
            yield from _validate_key(place, source[name])
    if not present:
        yield invalid(field, "", _ONE_SOURCE)
    elif text(variable, "value"):
        yield invalid(field, "", "may not be specified when `value` is not empty")
    elif len(present) > 1:
        yield invalid(field, "", _TOO_MANY)


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
