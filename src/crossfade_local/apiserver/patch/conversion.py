"""Whether decoded JSON fits a built-in kind's types, with the texts of Go's unstructured converter."""

from typing import Any, Final

from crossfade_local.apiserver.types.schema import SchemaNode

_GO_TYPES: Final = {bool: "bool", int: "int64", float: "float64", str: "string", dict: "map", list: "slice"}


def conversion_problem(value: Any, schema: SchemaNode) -> str | None:
    """The first misfit in key order, or None."""
    if value is None or schema.is_int_or_string or schema.is_quantity or schema.preserves_unknown:
        return None
    if schema.type == "array":
        return _list_problem(value, schema)
    if schema.type == "object" or schema.properties:
        return _object_problem(value, schema)
    return _scalar_problem(value, schema)


def _list_problem(value: Any, schema: SchemaNode) -> str | None:
    if not isinstance(value, list):
        return f"cannot restore slice from {_GO_TYPES[type(value)]}"
    if schema.items is None:
        return None
    if schema.items.plain_types.issuperset(map(type, value)):
        return None
    return next((problem for item in value if (problem := conversion_problem(item, schema.items))), None)


def _object_problem(value: Any, schema: SchemaNode) -> str | None:
    if not isinstance(value, dict):
        what = "map" if schema.is_map else "struct"
        colon = "" if schema.is_map else ":"
        return f"cannot restore {what} from{colon} {_GO_TYPES[type(value)]}"
    problems = {}
    for key, inner in value.items():
        child = schema.child(key)
        if child is None or type(inner) in child.plain_types:
            continue
        if problem := conversion_problem(inner, child):
            problems[key] = problem
    return problems[min(problems)] if problems else None


def _scalar_problem(value: Any, schema: SchemaNode) -> str | None:
    actual = _GO_TYPES[type(value)]
    if schema.type == "string":
        if actual == "string":
            return None
        # Go may convert an integer to a string (as a rune), but no other type.
        return "cannot convert int64 to string" if actual == "int64" else "unrecognized type: string"
    if schema.type == "boolean":
        return None if actual == "bool" else "unrecognized type: bool"
    if schema.type in ("integer", "number"):
        return _number_problem(value, actual, schema)
    return None


def _number_problem(value: Any, actual: str, schema: SchemaNode) -> str | None:
    wanted = (schema.format if schema.format.startswith("int") else "int64") if schema.type == "integer" else "float64"
    if actual == "int64" or (actual == "float64" and (wanted == "float64" or value == int(value))):
        return None
    return f"cannot convert float64 to {wanted}" if actual == "float64" else f"unrecognized type: {wanted}"
