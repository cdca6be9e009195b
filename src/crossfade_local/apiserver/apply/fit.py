"""Whether an object fits its schema, in the words of server-side apply."""

from collections.abc import Iterator
from typing import Any

from crossfade_local.apiserver.apply.field_set import display_element
from crossfade_local.apiserver.apply.typed import TypedError, item_element, item_node, shape_of
from crossfade_local.apiserver.types.schema import SchemaNode, Shape
from crossfade_local.apiserver.values.gotext import plain, quoted


def problems(node: SchemaNode, value: Any, *, allow_duplicates: bool = False) -> list[str]:
    """What doesn't fit, each as `path: text`."""
    return [f"{path}: {text}" if path else text for path, text in _problems(node, value, allow_duplicates)]


def _problems(node: SchemaNode, value: Any, allow_duplicates: bool) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    shape = shape_of(node, value)
    if shape is Shape.SCALAR:
        yield from (("", text) for text in _scalar_problems(node, value))
    elif node.type == "array":
        yield from _list_problems(node, value, allow_duplicates)
    elif node.type == "object" or node.properties:
        yield from _map_problems(node, value, allow_duplicates)


def _go_value(value: Any) -> str:
    return "&{" + plain(value) + "}"


def _scalar_problems(node: SchemaNode, value: Any) -> Iterator[str]:
    composite = isinstance(value, dict | list)
    if node.is_int_or_string or node.is_quantity or not node.type:
        if composite:
            yield f"expected any scalar, got {_go_value(value)}"
    elif node.type == "string":
        if not isinstance(value, str):
            yield f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    elif node.type == "boolean":
        if not isinstance(value, bool):
            yield f"expected boolean, got {_go_value(value)}"
    elif isinstance(value, bool) or not isinstance(value, int | float):
        names = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}
        yield f"expected numeric (int or float), got {names[type(value)]}"


def _go_syntax(value: Any) -> str:
    """Like `%#v`."""
    if isinstance(value, dict):
        inner = ", ".join(f"{quoted(key)}:{_go_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(_go_syntax, value)) + "}"
    if isinstance(value, str):
        return quoted(value)
    return "interface {}(nil)" if value is None else plain(value)


def _list_problems(node: SchemaNode, value: Any, allow_duplicates: bool) -> Iterator[tuple[str, str]]:
    if not isinstance(value, list):
        yield "", f"expected list, got {_go_value(value)}"
        return
    seen = set()
    items = item_node(node)
    for index, item in enumerate(value):
        element = f"i:{index}"
        if node.list_type in ("map", "set"):
            try:
                element = item_element(node, item)
            except TypedError as error:
                yield "", f"element {index}: {error}"
                return
            if element in seen and not allow_duplicates:
                yield "", f"duplicate entries for key {display_element(element)}"
            seen.add(element)
        if type(item) in items.plain_types:
            continue
        for path, text in _problems(items, item, allow_duplicates):
            yield display_element(element) + path, text


def _map_problems(node: SchemaNode, value: Any, allow_duplicates: bool) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield "", f"expected map, got {_go_value(value)}"
        return
    for key in sorted(value):
        child = node.child(key)
        if child is None:
            yield "." + key, "field not declared in schema"
            return
        if type(value[key]) in child.plain_types:
            continue
        for path, text in _problems(child, value[key], allow_duplicates):
            yield f".{key}{path}", text
