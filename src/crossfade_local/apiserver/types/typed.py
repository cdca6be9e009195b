"""Built-in kinds as Go would decode them: unknown fields fall away (and are named), nulls vanish, wrong types fail."""

from dataclasses import dataclass, field
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.types.misfits import Path, misfit_text, path_text
from crossfade_local.apiserver.types.schema import SchemaNode
from crossfade_local.apiserver.types.zero_values import zero_value
from crossfade_local.apiserver.values.goscalars import base64_problem, time_problem
from crossfade_local.quantity import QuantityError, canonical

_INTEGERS: Final = {"int32": range(-(2**31), 2**31), "int64": range(-(2**63), 2**63)}


class WrongTypeError(Exception):
    """A value has a JSON type that its field can't hold; the message is Go's."""


class _MisfitError(Exception):
    def __init__(self, path: Path, value: Any) -> None:
        super().__init__()
        self.path = path
        self.value = value


@dataclass
class Typed:
    """What became of an object: the known part of it, and the paths of what was not known."""

    object: JsonObject
    unknown: list[str] = field(default_factory=list)


def conform(schema: SchemaNode, obj: JsonObject) -> Typed:
    """Decode an object against its schema; raises WrongTypeError. The given object is not changed."""
    result = Typed({})
    try:
        result.object = _struct(schema, obj, None, result.unknown)
    except _MisfitError as misfit:
        raise WrongTypeError(misfit_text(schema, misfit.path, misfit.value)) from misfit
    return result


def _struct(node: SchemaNode, value: JsonObject, path: Path, unknown: list[str]) -> JsonObject:
    properties = node.properties
    if node.preserves_unknown and not properties:
        return value
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
        typed = inner if type(inner) in child.plain_types else _value(child, inner, (path, key), unknown)
        if typed or not _is_unset(typed, child, node, key):
            found[key] = typed
    return found


def _is_unset(value: Any, child: SchemaNode, parent: SchemaNode, key: str) -> bool:
    """What Go's `omitempty` leaves out; of lists and maps also where the field has no such mark, being stored empty."""
    if isinstance(value, list | dict):
        return value == [] or child.is_map
    field = parent.go_fields.get(key)
    return field is not None and field.drops_zero


def _value(node: SchemaNode, value: Any, path: Path, unknown: list[str]) -> Any:
    if node.is_quantity:
        return _amount(value if isinstance(value, str) else _number_text(value))
    if node.is_int_or_string:
        if not isinstance(value, str) and not _is_integer(value, "int32"):
            raise _MisfitError(path, value)
        return value
    if not node.type and node.preserves_unknown:
        return value if node.object_form is None else _in_a_form(node, node.object_form, value, path)
    match node.type:
        case "object":
            if node.is_any_json:
                return value
            if not isinstance(value, dict):
                raise _MisfitError(path, value)
            return _object(node, value, path, unknown)
        case "array":
            if not isinstance(value, list):
                raise _MisfitError(path, value)
            return _list(node, value, path, unknown)
    if not _fits(node, value):
        raise _MisfitError(path, value)
    if node.type == "string" and (problem := _text_problem(node, value)):
        raise WrongTypeError(problem)
    return value


def _in_a_form(node: SchemaNode, object_form: SchemaNode, value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        # Go decodes it by itself: nobody is told of what is not known.
        return _struct(object_form, value, path, [])
    if node.name.endswith("OrBool") and not isinstance(value, bool):
        raise WrongTypeError("boolean or JSON schema expected")
    return value


def _object(node: SchemaNode, value: JsonObject, path: Path, unknown: list[str]) -> JsonObject:
    values = node.additional_properties
    if node.properties or values is None:
        return _struct(node, value, path, unknown)
    if values.plain_types.issuperset(map(type, value.values())):
        return dict(value)
    return {
        key: _value(values, inner, (path, key), unknown) if inner is not None else zero_value(values)
        for key, inner in value.items()
    }


def _list(node: SchemaNode, value: list[Any], path: Path, unknown: list[str]) -> list[Any]:
    items = node.items
    if items is None:
        return value
    if items.plain_types.issuperset(map(type, value)):
        return list(value)
    # Go leaves a null in a list as the zero value of its type.
    return [
        _value(items, inner, (path, index), unknown) if inner is not None else zero_value(items)
        for index, inner in enumerate(value)
    ]


def _fits(node: SchemaNode, value: Any) -> bool:
    match node.type:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return _is_integer(value, node.format)
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


def _is_integer(value: Any, width: str) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in _INTEGERS.get(width, _INTEGERS["int64"])


def _amount(text: str) -> str:
    try:
        return canonical(text.strip())
    except QuantityError as error:
        raise WrongTypeError(str(error)) from error


def _number_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongTypeError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    return str(value)
