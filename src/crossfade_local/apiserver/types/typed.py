"""Built-in kinds as Go would decode them: unknown fields fall away (and are named), nulls vanish, wrong types fail."""

from dataclasses import dataclass, field
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.types.schema import OBJECT_META, SchemaNode
from crossfade_local.apiserver.values.goscalars import base64_problem, time_problem
from crossfade_local.quantity import QuantityError, parse

_GO_NUMBERS: Final = {"int32": "int32", "int64": "int64", "double": "float64"}


Path = tuple["Path", str | int] | None
"""The way back to the root; made a text only where somebody is told."""


class WrongTypeError(Exception):
    """A value has a JSON type that its field can't hold; the message is Go's."""


@dataclass
class Typed:
    """What became of an object: the known part of it, and the paths of what was not known."""

    object: JsonObject
    unknown: list[str] = field(default_factory=list)


def conform(schema: SchemaNode, obj: JsonObject) -> Typed:
    """Decode an object against its schema; raises WrongTypeError. The given object is not changed."""
    result = Typed({})
    result.object = _struct(schema, obj, None, "", result.unknown)
    return result


def _struct(node: SchemaNode, value: JsonObject, path: Path, owner: str, unknown: list[str]) -> JsonObject:
    properties = node.properties
    if node.preserves_unknown and not properties:
        return value
    own = node.name.rpartition(".")[2] or owner
    found: JsonObject = {}
    for key, inner in value.items():
        child = properties.get(key)
        if child is None:
            if key not in ("apiVersion", "kind") or path:
                unknown.append(path_text((path, key)))
            else:
                found[key] = inner
            continue
        if inner is None:
            continue
        typed = inner if type(inner) in child.plain_types else _value(child, inner, (path, key), own, unknown)
        if typed or not _is_unset(typed, child, node):
            found[key] = typed
    return found


def _is_unset(value: Any, child: SchemaNode, parent: SchemaNode) -> bool:
    """Empty maps and lists are left out by Go's `omitempty`, and empty texts of metadata as well."""
    if value == [] or (value == {} and child.is_map):
        return True
    return value == "" and parent.name == OBJECT_META


def _value(node: SchemaNode, value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
    if node.is_quantity:
        return _amount(value if isinstance(value, str) else _number_text(value))
    if node.is_int_or_string:
        return value
    if not node.type and node.preserves_unknown:
        return value
    match node.type:
        case "object":
            if not isinstance(value, dict):
                raise _wrong(node, value, path, owner)
            return _object(node, value, path, owner, unknown)
        case "array":
            if not isinstance(value, list):
                raise _wrong(node, value, path, owner)
            return _list(node, value, path, owner, unknown)
    if not _fits(node, value):
        raise _wrong(node, value, path, owner)
    if node.type == "string" and (problem := _text_problem(node, value)):
        raise WrongTypeError(problem)
    return int(value) if node.type == "integer" and isinstance(value, float) else value


def _object(node: SchemaNode, value: JsonObject, path: Path, owner: str, unknown: list[str]) -> JsonObject:
    values = node.additional_properties
    if node.properties or values is None:
        return _struct(node, value, path, owner, unknown)
    if values.plain_types.issuperset(map(type, value.values())):
        return dict(value)
    return {
        key: _value(values, inner, (path, key), owner, unknown) if inner is not None else _zero(values)
        for key, inner in value.items()
    }


def _list(node: SchemaNode, value: list[Any], path: Path, owner: str, unknown: list[str]) -> list[Any]:
    items = node.items
    if items is None:
        return value
    if items.plain_types.issuperset(map(type, value)):
        return list(value)
    # Go leaves a null in a list as the zero value of its type.
    return [
        _value(items, inner, (path, index), owner, unknown) if inner is not None else _zero(items)
        for index, inner in enumerate(value)
    ]


def path_text(path: Path) -> str:
    parts: list[str] = []
    while path is not None:
        path, key = path
        parts.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    return "".join(reversed(parts)).removeprefix(".")


def _zero(node: SchemaNode) -> Any:
    return {"object": {}, "array": [], "string": "", "integer": 0, "number": 0, "boolean": False}.get(node.type)


def _fits(node: SchemaNode, value: Any) -> bool:
    match node.type:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return not isinstance(value, bool) and (isinstance(value, int) or _is_whole(value))
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def _text_problem(node: SchemaNode, value: str) -> str | None:
    """Bytes and times are texts that Go decodes further."""
    if node.format == "byte":
        return base64_problem(value)
    if node.format == "date-time":
        return time_problem(value, micro=node.name.endswith("MicroTime"))
    return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _amount(text: str) -> str:
    try:
        parse(text.strip())
    except QuantityError as error:
        raise WrongTypeError(str(error)) from error
    return text.strip()


def _number_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongTypeError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    return str(value)


def _wrong(node: SchemaNode, value: Any, path: Path, owner: str) -> WrongTypeError:
    got = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}[type(value)]
    if isinstance(value, float) and node.type == "integer":
        got = f"number {value}"
    plain = ".".join(part.partition("[")[0] for part in path_text(path).split("."))
    return WrongTypeError(f"json: cannot unmarshal {got} into Go struct field {owner}.{plain} of type {go_type(node)}")


def go_type(node: SchemaNode) -> str:
    """The Go type of a field, as the decoder names it."""
    match node.type:
        case "string":
            return "string"
        case "boolean":
            return "bool"
        case "integer" | "number":
            return _GO_NUMBERS.get(node.format, "int64")
        case "array":
            return f"[]{go_type(node.items)}" if node.items else "[]interface {}"
    if node.is_map and node.additional_properties is not None:
        return f"map[string]{go_type(node.additional_properties)}"
    return f"v1.{node.name.rpartition('.')[2]}" if node.name else "map[string]interface {}"
