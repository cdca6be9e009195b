"""Validation of CustomResourceDefinitions: names, scope, versions and columns.

What all versions share is reported at the top of the spec, where Kubernetes keeps it internally.
"""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, invalid, not_supported, required
from crossfade_local.apiserver.validation.metadata import immutable
from crossfade_local.apiserver.validation.schemas import validate_schema
from crossfade_local.apiserver.values.gotext import GoStruct
from crossfade_local.values.fields import at, flag, mapping, objects, sequence, text

_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_SCOPES: Final = ("Cluster", "Namespaced")
_STRATEGIES: Final = ("None", "Webhook")
_NAMES: Final = ("plural", "singular", "kind", "listKind")
_MIXED: Final = "may have mixed case, but should otherwise match: "


def validate_crd(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    group, name = text(spec, "group"), text(obj, "metadata", "name")
    if name and name != f"{text(spec, 'names', 'plural')}.{group}":
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    yield from _validate_group(group)
    yield from _choice("spec.scope", text(spec, "scope"), _SCOPES)
    versions = objects(spec, "versions")
    shared_schema, shared_columns = _shared(versions, "schema"), _shared(versions, "additionalPrinterColumns")
    yield from _missing_schemas(versions)
    for index, version in enumerate(versions):
        place = f"spec.versions[{index}]"
        yield from _joined(f"{place}.name", text(version, "name"), names.dns1035_label(text(version, "name")))
        if shared_schema is None:
            yield from _validate_schema(f"{place}.schema", version.get("schema"))
        if shared_columns is None:
            yield from _validate_columns(f"{place}.additionalPrinterColumns", version.get("additionalPrinterColumns"))
    yield from _validate_storage(versions)
    yield from _validate_names(mapping(spec, "names"))
    yield from _validate_schema("spec.validation", shared_schema)
    yield from _validate_columns("spec.additionalPrinterColumns", shared_columns)
    yield from _choice("spec.conversion.strategy", text(spec, "conversion", "strategy"), _STRATEGIES)


def validate_crd_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    if any(text(item, "type") == "Established" for item in objects(old, "status", "conditions")):
        for path in (("scope",), ("names", "kind")):
            field = ".".join(("spec", *path))
            yield from immutable(field, text(new, "spec", *path), text(old, "spec", *path))
    for path in (("group",), ("names", "plural")):
        yield from immutable(".".join(("spec", *path)), text(new, "spec", *path), text(old, "spec", *path))


def _shared(versions: list[JsonObject], name: str) -> Any:
    """What every version says alike; None if they differ or say nothing."""
    first = versions[0].get(name) if versions else None
    return first if first and all(version.get(name) == first for version in versions) else None


def _choice(field: str, value: str, supported: tuple[str, ...]) -> Iterator[FieldError]:
    if not value:
        yield required(field)
    elif value not in supported:
        yield not_supported(field, value, supported)


def _joined(field: str, value: str, problems: list[str], prefix: str = "") -> Iterator[FieldError]:
    if problems:
        yield invalid(field, value, prefix + ",".join(problems))


def _validate_group(group: str) -> Iterator[FieldError]:
    if not group:
        yield required("spec.group")
    elif problems := names.dns_subdomain(group):
        yield from _joined("spec.group", group, problems)
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")


def _missing_schemas(versions: list[JsonObject]) -> Iterator[FieldError]:
    for index, version in enumerate(versions):
        if not isinstance(at(version, "schema", "openAPIV3Schema"), dict):
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema")


def _validate_schema(field: str, found: Any) -> Iterator[FieldError]:
    schema = mapping({"schema": found}, "schema").get("openAPIV3Schema")
    if isinstance(schema, dict):
        yield from validate_schema(f"{field}.openAPIV3Schema", schema)


def _validate_columns(field: str, found: Any) -> Iterator[FieldError]:
    listed = ",".join(_COLUMN_TYPES)
    for index, column in enumerate(objects({"columns": found}, "columns")):
        place, kind = f"{field}[{index}]", text(column, "type")
        if not text(column, "name"):
            yield required(f"{place}.name")
        if not kind:
            yield required(f"{place}.type", f"must be one of {listed}")
        elif kind not in _COLUMN_TYPES:
            yield invalid(f"{place}.type", kind, f"must be one of {listed}")
        path = text(column, "jsonPath")
        if not path:
            yield required(f"{place}.JSONPath")
        elif not path.startswith("."):
            yield invalid(f"{place}.JSONPath", path, "must be a simple json path starting with .")


def _validate_storage(versions: list[JsonObject]) -> Iterator[FieldError]:
    shown = [_internal_version(version) for version in versions] or None
    if len({text(version, "name") for version in versions}) != len(versions):
        yield invalid("spec.versions", shown, "must contain unique version names")
    if sum(flag(version, "storage") for version in versions) != 1:
        yield invalid("spec.versions", shown, "must have exactly one version marked as storage version")


def _internal_version(version: JsonObject) -> GoStruct:
    return GoStruct(
        Name=text(version, "name"),
        Served=flag(version, "served"),
        Storage=flag(version, "storage"),
        Deprecated=flag(version, "deprecated"),
        DeprecationWarning=version.get("deprecationWarning"),
        Schema=None,
        Subresources=None,
        AdditionalPrinterColumns=None,
        SelectableFields=None,
    )


def _validate_names(found: JsonObject) -> Iterator[FieldError]:
    for name in _NAMES:
        if not text(found, name):
            yield required(f"spec.names.{name}")
    for name in _NAMES:
        value = text(found, name)
        mixed = name in ("kind", "listKind")
        problems = names.dns1035_label(value.lower() if mixed else value) if value else []
        yield from _joined(f"spec.names.{name}", value, problems, _MIXED if mixed else "")
    for name in ("shortNames", "categories"):
        if name == "categories" and text(found, "kind") and text(found, "kind") == text(found, "listKind"):
            yield invalid("spec.names.listKind", text(found, "listKind"), "kind and listKind may not be the same")
        for index, value in enumerate(map(str, sequence(found, name))):
            yield from _joined(f"spec.names.{name}[{index}]", value, names.dns1035_label(value))
