"""The fields of a kind, from its definition's schema and the struct that the control plane reads it into."""

from collections.abc import Callable, Iterator
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from crossfade_kube.meta import JsonObject

_FREE: Final = "x-kubernetes-preserve-unknown-fields"
# Records that users know as one value, by their fields.
_SHAPES: Final[dict[frozenset[str], str]] = {
    frozenset({"unit", "value"}): "duration",
    frozenset({"matchLabels", "matchExpressions"}): "label selector",
    frozenset({"name", "namespace"}): "reference: `name`, `namespace`",
    frozenset({"name", "uid"}): "reference: `name`, `uid`",
    frozenset({"name", "namespace", "uid"}): "reference: `name`, `namespace`, `uid`",
    frozenset({"start", "end"}): "range: `start`, `end` (excluded)",
}
_WORDS: Final = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean", "object": "record"}


class FieldOfKind(Struct, frozen=True):
    """`attribute` is the struct's name for it, None where no struct holds it; `path` like `spec.routes[].name`."""

    path: str
    values: str
    attribute: str | None
    description: str = ""


def fields_of(kind: type[Any], schema: JsonObject, is_told: Callable[[str], bool]) -> Iterator[FieldOfKind]:
    """What users write. A path that `is_told` as a whole, or that no struct holds, is not gone into."""
    properties = {
        name: part
        for name, part in schema["properties"].items()
        if name not in ("apiVersion", "kind", "metadata", "status")
    }
    yield from _of_record(kind, {**schema, "properties": properties}, "", is_told)


def _of_record(
    kind: type[Any], schema: JsonObject, prefix: str, is_told: Callable[[str], bool]
) -> Iterator[FieldOfKind]:
    hints = get_type_hints(kind, include_extras=True)
    attributes = {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
    for name, part in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        attribute = attributes.get(name)
        inner, items, suffix = _inside(hints[attribute] if attribute else None, part)
        if _has_parts(items) and isinstance(inner, type) and issubclass(inner, Struct) and not is_told(path):
            yield from _of_record(inner, items, f"{path}{suffix}.", is_told)
            continue
        required = "required; " if name in schema.get("required", ()) else ""
        yield FieldOfKind(path, required + values(part), attribute, part.get("description", ""))


def values(schema: JsonObject) -> str:
    """Type and bounds in words."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{word}`" for word in schema["enum"])
    if schema.get("type") == "array":
        return f"list: {values(schema.get('items', {}))}{_between(schema, 'minItems', 'maxItems', 'entries')}"
    if schema.get("type") == "object" and "additionalProperties" in schema:
        return f"map: {values(schema['additionalProperties'])}"
    if schema.get("type") == "object" and not schema.get(_FREE):
        return _SHAPES.get(frozenset(schema.get("properties", {})), "record")
    word = _WORDS.get(schema.get("type", ""), "anything")
    bounds = _between(schema, "minimum", "maximum", "") + _between(schema, "minLength", "maxLength", "characters")
    pattern = f", like `{schema['pattern']}`" if "pattern" in schema else ""
    return word + bounds + pattern


def _between(schema: JsonObject, least: str, most: str, unit: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low is None and high is None:
        return ""
    if high is None:
        text = f"at least {low}"
    elif low is None:
        text = f"at most {high}"
    else:
        text = f"{low} to {high}"
    return f", {text} {unit}".rstrip()


def _has_parts(schema: JsonObject) -> bool:
    """Whether it is a record whose fields are told one by one."""
    properties = schema.get("properties", {})
    return bool(properties) and frozenset(properties) not in _SHAPES


def _inside(hint: Any, schema: JsonObject) -> tuple[Any, JsonObject, str]:
    """The struct and schema of a record or of a list's entries, and what a path gets for going in."""
    plain = _plain(hint)
    if get_origin(plain) is tuple:
        return _plain(get_args(plain)[0]), schema.get("items", {}), "[]"
    return plain, schema, ""


def _plain(hint: Any) -> Any:
    while get_origin(hint) in (Annotated, Union, UnionType):
        arguments = get_args(hint)
        hint = (
            arguments[0] if get_origin(hint) is Annotated else next(one for one in arguments if one is not type(None))
        )
    return hint
