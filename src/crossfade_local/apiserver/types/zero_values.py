"""What Go writes of fields that nobody has set: structs held by value, and whatever has no `omitempty`."""

from typing import Any

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.types.schema import SchemaNode


def zero_value(node: SchemaNode) -> Any:
    """Of a field, a list's item or a map's value, as JSON shows it."""
    if node.is_quantity:
        return "0"
    if node.is_int_or_string:
        return 0
    if node.type == "object" and not node.is_map and not node.preserves_unknown:
        return {}
    if node.type == "string" and not node.format:
        return ""
    return {"integer": 0, "number": 0, "boolean": False}.get(node.type)


def with_zero_values(node: SchemaNode, obj: JsonObject) -> JsonObject:
    """The object itself where nothing is missing."""
    unset = [(name, _unset_value(node, name)) for name in node.unset_fields if obj.get(name) is None]
    missing = {name: value for name, value in unset if name not in obj or value is not None}
    changed: JsonObject = {}
    for name, child in node.nodes_with_unset_fields:
        value = missing[name] if name in missing else obj.get(name)
        if value is not None and (filled := _filled(child, value)) is not value:
            changed[name] = filled
    return {**obj, **missing, **changed} if missing or changed else obj


def _unset_value(node: SchemaNode, name: str) -> Any:
    return None if node.go_fields[name].writes_null else zero_value(node.properties[name])


def _filled(node: SchemaNode, value: Any) -> Any:
    if isinstance(value, dict):
        if not node.is_map:
            return with_zero_values(node, value)
        assert node.additional_properties is not None
        inner = {key: _filled(node.additional_properties, item) for key, item in value.items()}
        return inner if any(inner[key] is not item for key, item in value.items()) else value
    if isinstance(value, list) and node.items is not None:
        items = [_filled(node.items, item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value
