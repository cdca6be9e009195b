"""Validation of CustomResourceDefinitions: names, versions and structural schemas."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade.api.meta import JsonObject
from crossfade.local.apiserver.fields import at, flag, mapping, objects, text
from crossfade.local.apiserver.validation import names
from crossfade.local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade.local.apiserver.validation.metadata import immutable

_SCHEMA: Final = "openAPIV3Schema"
_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_NAMES: Final = ("plural", "singular", "kind", "listKind")


def validate_crd(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    group, plural = text(spec, "group"), text(spec, "names", "plural")
    name = text(obj, "metadata", "name")
    if name and name != f"{plural}.{group}":
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if not group:
        yield required("spec.group")
    else:
        yield from each("spec.group", group, names.dns_subdomain(group))
        if "." not in group:
            yield invalid("spec.group", group, "should be a domain with at least one dot")
    scope = text(spec, "scope")
    if scope not in ("Cluster", "Namespaced"):
        yield not_supported("spec.scope", scope, ("Cluster", "Namespaced")) if scope else required("spec.scope")
    yield from _validate_versions(objects(spec, "versions"))
    yield from _validate_names(mapping(spec, "names"))
    for place, schema, version in _schemas(objects(spec, "versions")):
        yield from _validate_schema(place, schema, version)


def validate_crd_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    for path in ("group", "scope"):
        yield from immutable(f"spec.{path}", text(new, "spec", path), text(old, "spec", path))
    for path in ("kind", "plural"):
        if at(old, "status", "acceptedNames", "kind"):
            after, before = text(new, "spec", "names", path), text(old, "spec", "names", path)
            yield from immutable(f"spec.names.{path}", after, before)


def _validate_versions(versions: list[JsonObject]) -> Iterator[FieldError]:
    field = "spec.versions"
    if not versions:
        yield required(field, "must have at least one version")
        return
    taken: set[str] = set()
    for index, version in enumerate(versions):
        name = text(version, "name")
        yield from each(f"{field}[{index}].name", name, names.dns1035_label(name))
        if name in taken:
            yield invalid(f"{field}[{index}].name", name, "must be unique")
        taken.add(name)
        yield from _validate_columns(f"{field}[{index}].additionalPrinterColumns", version)
    stored = sum(flag(version, "storage") for version in versions)
    if stored != 1:
        shown = [
            {"name": text(v, "name"), "served": flag(v, "served"), "storage": flag(v, "storage")} for v in versions
        ]
        yield invalid(field, shown, "must have exactly one version marked as storage version")


def _validate_columns(field: str, version: JsonObject) -> Iterator[FieldError]:
    for index, column in enumerate(objects(version, "additionalPrinterColumns")):
        place, kind = f"{field}[{index}]", text(column, "type")
        if not text(column, "name"):
            yield required(f"{place}.name")
        if not kind:
            yield required(f"{place}.type", f"must be one of {', '.join(_COLUMN_TYPES)}")
        elif kind not in _COLUMN_TYPES:
            yield invalid(f"{place}.type", kind, f"must be one of {', '.join(_COLUMN_TYPES)}")
        if not text(column, "jsonPath"):
            yield required(f"{place}.JSONPath")


def _validate_names(found: JsonObject) -> Iterator[FieldError]:
    for name in _NAMES:
        value = text(found, name)
        if not value and name in ("plural", "kind"):
            yield required(f"spec.names.{name}")
        elif value:
            checked = value.lower() if name in ("kind", "listKind") else value
            text_value = f"may have mixed case, but should otherwise match: {'; '.join(names.dns1035_label(checked))}"
            problems = names.dns1035_label(checked)
            if name in ("kind", "listKind"):
                problems = [text_value] if problems else []
            yield from each(f"spec.names.{name}", value, problems)
    for index, short in enumerate(found.get("shortNames") or ()):
        yield from each(f"spec.names.shortNames[{index}]", short, names.dns1035_label(str(short)))
    kind, list_kind = text(found, "kind"), text(found, "listKind")
    if kind and kind == list_kind:
        yield invalid("spec.names.listKind", list_kind, "kind and listKind may not be the same")


def _schemas(versions: list[JsonObject]) -> Iterator[tuple[str, JsonObject, JsonObject]]:
    """Schemas with their place: one shared by all versions is reported at the top, as Kubernetes does."""
    schemas = [mapping(version, "schema").get(_SCHEMA) for version in versions]
    if schemas and all(schema == schemas[0] for schema in schemas[1:]):
        if isinstance(schemas[0], dict):
            yield f"spec.validation.{_SCHEMA}", schemas[0], versions[0]
        return
    for index, schema in enumerate(schemas):
        if isinstance(schema, dict):
            yield f"spec.versions[{index}].schema.{_SCHEMA}", schema, versions[index]


def _validate_schema(field: str, schema: JsonObject, version: JsonObject) -> Iterator[FieldError]:
    kind = text(schema, "type")
    if not kind and not flag(schema, "x-kubernetes-preserve-unknown-fields"):
        yield required(f"{field}.type", "must not be empty at the root")
    elif kind and kind != "object":
        yield invalid(f"{field}.type", kind, "must be object at the root")
    status = mapping(version, "subresources").get("status")
    if status is not None and schema.get("required") and "status" in schema and not isinstance(status, dict):
        yield forbidden(f"{field}.required", "status may not be required")
    yield from _validate_node(field, schema, root=True)


def _validate_node(field: str, schema: JsonObject, *, root: bool = False) -> Iterator[FieldError]:
    kind = text(schema, "type")
    if kind and kind not in _TYPES:
        yield not_supported(f"{field}.type", kind, _TYPES)
    yield from _validate_forbidden(field, schema)
    if schema.get("properties") and schema.get("additionalProperties") not in (None, False):
        yield forbidden(f"{field}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    yield from _validate_lists(field, schema)
    if kind == "array" and not isinstance(schema.get("items"), dict):
        yield required(f"{field}.items", "must be specified")
    children = [
        *((f"{field}.properties[{name}]", child, "object fields") for name, child in _sorted(schema.get("properties"))),
        *([(f"{field}.items", schema["items"], "array items")] if isinstance(schema.get("items"), dict) else []),
        *_additional(field, schema),
    ]
    for place, child, what in children:
        if not isinstance(child, dict):
            continue
        free = flag(child, "x-kubernetes-preserve-unknown-fields") or flag(child, "x-kubernetes-int-or-string")
        if not text(child, "type") and not free:
            yield required(f"{place}.type", f"must not be empty for specified {what}")
        if not (root and place.endswith(("[metadata]", "[apiVersion]", "[kind]"))):
            yield from _validate_node(place, child)


def _sorted(properties: Any) -> list[tuple[str, Any]]:
    return sorted(properties.items()) if isinstance(properties, dict) else []


def _additional(field: str, schema: JsonObject) -> list[tuple[str, Any, str]]:
    additional = schema.get("additionalProperties")
    return [(f"{field}.additionalProperties", additional, "object fields")] if isinstance(additional, dict) else []


def _validate_forbidden(field: str, schema: JsonObject) -> Iterator[FieldError]:
    for name in ("definitions", "dependencies", "deprecated", "discriminator", "id", "patternProperties", "readOnly"):
        if schema.get(name):
            yield forbidden(f"{field}.{name}", f"{name} is not supported")
    if schema.get("uniqueItems") is True:
        said = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{field}.uniqueItems", said)
    if schema.get("additionalProperties") is False:
        yield forbidden(f"{field}.additionalProperties", "additionalProperties cannot be set to false")
    if isinstance(schema.get("items"), list):
        yield forbidden(f"{field}.items", "items must be a schema object and not an array")
    if schema.get("$ref"):
        yield forbidden(f"{field}.$ref", "$ref is not supported")


def _validate_lists(field: str, schema: JsonObject) -> Iterator[FieldError]:
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or []
    if kind is not None and kind not in ("atomic", "map", "set"):
        yield not_supported(f"{field}.x-kubernetes-list-type", kind, ("atomic", "map", "set"))
    if kind != "map":
        if keys:
            said = "must be map if x-kubernetes-list-map-keys is non-empty"
            yield invalid(f"{field}.x-kubernetes-list-type", kind, said)
        return
    if not keys:
        said = "must not be empty if x-kubernetes-list-type is map"
        yield required(f"{field}.x-kubernetes-list-map-keys", said)
    items = mapping(schema, "items")
    for index, key in enumerate(keys):
        place = f"{field}.x-kubernetes-list-map-keys[{index}]"
        if key in keys[:index]:
            yield duplicate(place, key)
        elif key not in mapping(items, "properties"):
            said = "entries must all be names of item properties"
            yield invalid(place, key, said)
        elif key not in (items.get("required") or ()) and "default" not in mapping(items, "properties", key):
            said = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield required(f"{field}.items.properties[{key}].default", said)
