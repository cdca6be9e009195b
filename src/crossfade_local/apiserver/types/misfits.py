"""What Go's decoder says of a value that does not fit its field."""

from typing import Any, Final

from crossfade_local.apiserver.types.go_fields import UNREMARKABLE
from crossfade_local.apiserver.types.schema import SchemaNode
from crossfade_local.apiserver.values.gojson import json_type

Path = tuple["Path", str | int] | None
"""The way back to the root; made a text only where somebody is told."""

_GO_NUMBERS: Final = {"int32": "int32", "int64": "int64", "double": "float64"}


def path_text(path: Path) -> str:
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in _steps(path)]
    return "".join(parts).removeprefix(".")


def misfit_text(root: SchemaNode, path: Path, value: Any) -> str:
    """Go names the fields on the way, embedded structs among them, but no keys of maps and no places in lists."""
    node, owner, kind, words = root, _short_name(root), "", list[str]()
    for step in _steps(path):
        if isinstance(step, int) or node.is_map:
            inner = node.items if isinstance(step, int) else node.additional_properties
            assert inner is not None
            start = "[]" if isinstance(step, int) else "map[string]"
            node, kind = inner, kind.removeprefix(start) if kind.startswith(start) else go_type(inner)
            continue
        node = node.object_form or node
        owner = _short_name(node) or owner
        field = node.go_fields.get(step, UNREMARKABLE)
        node = node.properties[step]
        kind = field.type or go_type(node)
        words += [*field.embedded, step]
    got = json_type(value)
    if got == "number" and (node.is_int_or_string or node.type == "integer"):
        got = f"number {value}"
    return f"json: cannot unmarshal {got} into Go struct field {owner}.{'.'.join(words)} of type {kind.lstrip('*')}"


def _steps(path: Path) -> list[str | int]:
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return steps[::-1]


def _short_name(node: SchemaNode) -> str:
    return node.name.rpartition(".")[2]


def go_type(node: SchemaNode) -> str:
    """The Go type that a schema tells of."""
    if node.is_int_or_string:
        return "int32"
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
    return ".".join(node.name.rsplit(".", 2)[-2:]) if node.name else "map[string]interface {}"
