"""Validation of the schemas in CustomResourceDefinitions: they must be structural, and use only what is supported."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.patterns import Compiling
from crossfade_local.apiserver.validation.errors import FieldError, forbidden, invalid, not_supported, required
from crossfade_local.apiserver.validation.schema_rules import validate_rules
from crossfade_local.apiserver.values.gotext import GoStruct
from crossfade_local.values.fields import flag, mapping, sequence, text

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPES: Final = ("atomic", "set", "map")
_MAP_TYPES: Final = ("atomic", "granular")
_KEEP_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"
_LIST_TYPE: Final = "x-kubernetes-list-type"
_MAP_TYPE: Final = "x-kubernetes-map-type"
_KEYS: Final = "x-kubernetes-list-map-keys"
_UNSUPPORTED: Final = ("$ref", "definitions", "dependencies", "id", "patternProperties", "additionalItems")
_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_NO_OBJECT: Final = (
    'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
)
_UNTYPED: Final = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def validate_schema(
    field: str, schema: JsonObject, patterns: Compiling, *, has_status: bool = False
) -> Iterator[FieldError]:
    kind = text(schema, "type")
    if has_status and kind and kind != "object":
        yield invalid(f"{field}.type", kind, _NO_OBJECT)
    if flag(schema, "nullable"):
        yield forbidden(f"{field}.nullable", "nullable cannot be true at the root")
    yield from structural_errors(field, schema)
    yield from _supported(field, schema, patterns)


def structural_errors(field: str, schema: JsonObject) -> list[FieldError]:
    """In the order of their texts. A schema without them has a type wherever it has to have one."""
    return sorted(_structural(field, schema, "root"), key=str)


def _children(field: str, schema: JsonObject) -> Iterator[tuple[str, JsonObject, str]]:
    """Schemas right below this one, with their place and level."""
    if isinstance(schema.get("additionalProperties"), dict):
        yield f"{field}.additionalProperties", schema["additionalProperties"], "field"
    properties = mapping(schema, "properties")
    for name in sorted(properties):
        if isinstance(properties[name], dict):
            yield f"{field}.properties[{name}]", properties[name], "field"
    if isinstance(schema.get("items"), dict):
        yield f"{field}.items", schema["items"], "item"


def _structural(field: str, schema: JsonObject, level: str) -> Iterator[FieldError]:
    kind = text(schema, "type")
    if kind == "array" and not isinstance(schema.get("items"), dict | list):
        yield required(f"{field}.items", "must be specified")
    for place, child, below in _children(field, schema):
        yield from _structural(place, child, below)
    if level == "root" and schema.get("additionalProperties") not in (None, False):
        yield forbidden(f"{field}.additionalProperties", "must not be used at the root")
    yield from _extensions(field, schema)
    if not kind and not flag(schema, "x-kubernetes-int-or-string") and not flag(schema, _KEEP_UNKNOWN):
        yield required(f"{field}.type", _UNTYPED[level])
    if level == "root" and kind and kind != "object":
        yield invalid(f"{field}.type", kind, "must be object at the root")
    for junctor in ("allOf", "anyOf", "oneOf"):
        for index, nested in enumerate(sequence(schema, junctor)):
            yield from _nested(f"{field}.{junctor}[{index}]", nested)
    if isinstance(schema.get("not"), dict):
        yield from _nested(f"{field}.not", schema["not"])
    if level == "root":
        yield from _root_metadata(field, schema)


def _extensions(field: str, schema: JsonObject) -> Iterator[FieldError]:
    if flag(schema, "x-kubernetes-int-or-string"):
        for name in (_KEEP_UNKNOWN, _EMBEDDED):
            if flag(schema, name):
                yield invalid(f"{field}.{name}", True, "must be false if x-kubernetes-int-or-string is true")
    if flag(schema, _EMBEDDED):
        kind, said = text(schema, "type"), f"must be object if {_EMBEDDED} is true"
        if not kind:
            yield required(f"{field}.type", said)
        elif kind != "object":
            yield invalid(f"{field}.type", kind, said)
        if not flag(schema, _KEEP_UNKNOWN) and not mapping(schema, "properties"):
            yield required(f"{field}.properties", f"must not be empty if {_EMBEDDED} is true without {_KEEP_UNKNOWN}")


def _nested(field: str, schema: Any) -> Iterator[FieldError]:
    """Below a junctor only values are restricted; types and structure belong outside."""
    is_int_or_string = isinstance(schema, dict) and set(schema) == {"type"} and schema["type"] in ("integer", "string")
    if not isinstance(schema, dict) or is_int_or_string:
        return
    if text(schema, "type"):
        yield forbidden(f"{field}.type", "must be empty to be structural")
    for name in ("default", "description", "nullable", "title"):
        if schema.get(name) not in (None, "", False):
            yield forbidden(f"{field}.{name}", "must be undefined to be structural")
    for place, child, _level in _children(field, schema):
        yield from _nested(place, child)


def _root_metadata(field: str, schema: JsonObject) -> Iterator[FieldError]:
    properties = mapping(schema, "properties")
    for name in ("apiVersion", "kind"):
        if name in properties and text(properties, name, "type") != "string":
            yield invalid(f"{field}.properties[{name}].type", text(properties, name, "type"), "must be string")
    metadata = properties.get("metadata")
    if isinstance(metadata, dict):
        place = f"{field}.properties[metadata]"
        if text(metadata, "type") != "object":
            yield invalid(f"{place}.type", text(metadata, "type"), "must be object")
        if set(mapping(metadata, "properties")) - {"name", "generateName"}:
            said = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield forbidden(place, said)


def _supported(field: str, schema: JsonObject, patterns: Compiling) -> Iterator[FieldError]:
    kind, additional = text(schema, "type"), schema.get("additionalProperties")
    if kind and kind not in _TYPES:
        yield not_supported(f"{field}.type", kind, _TYPES)
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and (problem := patterns.problem(pattern)):
        yield invalid(f"{field}.pattern", pattern, problem)
    for name in _UNSUPPORTED:
        if schema.get(name):
            yield forbidden(f"{field}.{name}", f"{name} is not supported")
    if isinstance(schema.get("items"), list):
        yield forbidden(f"{field}.items", "items must be a schema object and not an array")
    if additional is False:
        yield forbidden(f"{field}.additionalProperties", "additionalProperties cannot be set to false")
    if flag(schema, "uniqueItems"):
        said = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{field}.uniqueItems", said)
    if schema.get("properties") and (additional is False or isinstance(additional, dict)):
        yield forbidden(f"{field}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    for place, child, _level in _children(field, schema):
        yield from _supported(place, child, patterns)
    if schema.get(_KEEP_UNKNOWN) is False:
        yield invalid(f"{field}.{_KEEP_UNKNOWN}", False, "must be true or undefined")
    yield from _typed_extension(field, schema, _MAP_TYPE, "object", _MAP_TYPES)
    yield from _typed_extension(field, schema, _LIST_TYPE, "array", _LIST_TYPES)
    yield from _list_keys(field, schema)
    yield from validate_rules(field, schema)


def _typed_extension(
    field: str, schema: JsonObject, name: str, wanted: str, supported: tuple[str, ...]
) -> Iterator[FieldError]:
    value, kind = schema.get(name), text(schema, "type")
    if value is None:
        return
    said = f"must be {wanted} if {name} is specified"
    if not kind:
        yield required(f"{field}.type", said)
    elif kind != wanted:
        yield invalid(f"{field}.type", kind, said)
    if value not in supported:
        yield not_supported(f"{field}.{name}", value, supported)


def _list_keys(field: str, schema: JsonObject) -> Iterator[FieldError]:
    kind, keys = schema.get(_LIST_TYPE), sequence(schema, _KEYS)
    if keys and kind != "map":
        said = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield required(f"{field}.{_LIST_TYPE}", said) if kind is None else invalid(f"{field}.{_LIST_TYPE}", kind, said)
    if kind != "map":
        return
    if not keys:
        yield required(f"{field}.{_KEYS}", "must not be empty if x-kubernetes-list-type is map")
    items = schema.get("items")
    if items is None:
        yield required(f"{field}.items", "must have a schema if x-kubernetes-list-type is map")
        return
    if not isinstance(items, dict):
        shown = GoStruct(Schema=None, JSONSchemas=items if isinstance(items, list) else None)
        yield invalid(f"{field}.items", shown, "must only have a single schema if x-kubernetes-list-type is map")
        return
    if text(items, "type") != "object":
        said = "must be object if parent array's x-kubernetes-list-type is map"
        yield invalid(f"{field}.items.type", text(items, "type"), said)
        return
    required_keys = set(sequence(items, "required"))
    taken: set[str] = set()
    for key in keys:
        yield from _list_key(field, keys, key, mapping(items, "properties").get(key))
        if key in taken:
            yield invalid(f"{field}.{_KEYS}", keys, "must not contain duplicate entries")
        taken.add(key)
        found = mapping(items, "properties").get(key)
        if found is not None and key not in required_keys and "default" not in found:
            said = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield required(f"{field}.items.properties[{key}].default", said)


def _list_key(field: str, keys: list[str], key: str, found: Any) -> Iterator[FieldError]:
    if not isinstance(found, dict):
        yield invalid(f"{field}.{_KEYS}", keys, "entries must all be names of item properties")
    elif text(found, "type") in ("array", "object"):
        said = "must be a scalar type if parent array's x-kubernetes-list-type is map"
        yield invalid(f"{field}.items.properties[{key}].type", "object", said)
