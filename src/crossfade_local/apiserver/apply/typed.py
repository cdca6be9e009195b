"""Walks over an object along its schema: listing fields, comparing and removing.

The rules (what is owned as a whole, how list items are told apart, when an empty container counts as a field) are those
of Kubernetes' server-side apply.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final, NamedTuple

from crossfade_local.apiserver.apply.field_set import FieldSet, Path
from crossfade_local.apiserver.types.schema import UNKNOWN, SchemaNode
from crossfade_local.apiserver.values.gotext import quoted, to_json

MISSING: Final[Any] = type("Missing", (), {"__repr__": lambda _: "MISSING"})()
"""Stands for an absent value where None means null."""

# The type descriptions of built-in kinds lack this default, which tells the ports of containers and Services apart.
_KEY_DEFAULTS: Final = {"protocol": "TCP"}


class TypedError(ValueError):
    """A value that doesn't fit its schema; the text begins with the field's path."""


class Shape(Enum):
    SCALAR = "scalar"
    ATOMIC = "atomic"
    FIELDS = "fields"
    ITEMS = "items"


class Comparison(NamedTuple):
    """Paths that differ between two objects; containers count when they appear or vanish themselves."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet


def shape_of(node: SchemaNode, value: Any) -> Shape:
    """How the value is owned; where the schema says nothing, the value decides."""
    untyped = not node.type and not node.properties and node.additional_properties is None
    if node.is_int_or_string or node.is_quantity:
        return Shape.SCALAR
    if untyped:
        if isinstance(value, dict) or value is None:
            return Shape.ATOMIC if node.is_atomic else Shape.FIELDS
        return Shape.ATOMIC if isinstance(value, list) else Shape.SCALAR
    if node.type == "array":
        return Shape.ATOMIC if node.is_atomic else Shape.ITEMS
    if node.type in ("object", ""):
        return Shape.ATOMIC if node.is_atomic else Shape.FIELDS
    return Shape.SCALAR


def item_element(node: SchemaNode, item: Any) -> str:
    """The path element of an item of an associative list. Raises TypedError."""
    if node.list_type == "set" or not node.map_keys:
        if item is None:
            raise TypedError("associative list without keys has an element that's an explicit null")
        if isinstance(item, dict):
            raise TypedError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise TypedError("not supported: associative list with lists as elements")
        return "v:" + to_json(item)
    if item is None:
        raise TypedError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise TypedError("associative list with keys may not have non-map elements")
    return "k:" + to_json(_keys(node, item))


def _keys(node: SchemaNode, item: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for key in node.map_keys:
        child = node.items.child(key) if node.items else None
        if key in item:
            found[key] = item[key]
        elif child is not None and child.has_default:
            found[key] = child.default
        elif key in _KEY_DEFAULTS:
            found[key] = _KEY_DEFAULTS[key]
    if not found:
        listed = "[" + " ".join(quoted(key) for key in node.map_keys) + "]"
        text = f"associative list with keys has an element that omits all key fields {listed}"
        raise TypedError(text + " (and doesn't have default values for any key fields)")
    return found


def _child(node: SchemaNode, name: str) -> SchemaNode:
    return node.child(name) or UNKNOWN


def item_node(node: SchemaNode) -> SchemaNode:
    return node.items or UNKNOWN


def field_set(node: SchemaNode, value: Any) -> FieldSet:
    """Every leaf and every item which the object mentions."""
    return FieldSet.of(_leaves(node, value, ()))


def _leaves(node: SchemaNode, value: Any, path: Path) -> Iterator[Path]:
    shape = shape_of(node, value)
    if shape in (Shape.SCALAR, Shape.ATOMIC):
        yield path
    elif shape is Shape.ITEMS and isinstance(value, list):
        for item in value:
            below = (*path, item_element(node, item))
            yield from _leaves(item_node(node), item, below)
            yield below
    elif shape is Shape.FIELDS and isinstance(value, dict):
        for key, item in value.items():
            below = (*path, "f:" + key)
            yield from _leaves(_child(node, key), item, below)
            if item is None or item == {} or key not in node.properties:
                yield below


def with_named_fields(node: SchemaNode, fields: FieldSet) -> FieldSet:
    """The same set, with each declared field that has members below it as a member too."""
    members = set(fields.members)
    children = {}
    for name, child in fields.children.items():
        is_field = name.startswith("f:")
        if is_field and name[2:] in node.properties:
            members.add(name)
        below = _child(node, name[2:]) if is_field else item_node(node)
        children[name] = with_named_fields(below, child)
    return FieldSet(members, children)


def remove(node: SchemaNode, value: Any, fields: FieldSet) -> Any:
    """The value without these fields and items. What loses all that is in it stays, empty: Kubernetes 1.36 does so."""
    shape = shape_of(node, value)
    if shape is Shape.FIELDS and isinstance(value, dict) and value:
        kept = {}
        for key, item in value.items():
            name = "f:" + key
            if name not in fields.members:
                below = fields.below(name)
                kept[key] = remove(_child(node, key), item, below) if below else item
        return kept
    if shape is Shape.ITEMS and isinstance(value, list) and value:
        items = []
        for item in value:
            name = item_element(node, item)
            if name not in fields.members:
                below = fields.below(name)
                items.append(remove(item_node(node), item, below) if below else item)
        return items
    return value


def compare(node: SchemaNode, left: Any, right: Any) -> Comparison:
    found: dict[str, list[Path]] = {"removed": [], "modified": [], "added": []}
    _compare(node, left, right, (), lambda kind, path: found[kind].append(path))
    return Comparison(*(FieldSet.of(path for path in found[kind] if path) for kind in Comparison._fields))


_Report = Callable[[str, Path], None]


def _compare(node: SchemaNode, left: Any, right: Any, path: Path, report: _Report) -> None:
    reference = left if right is MISSING else right
    shape = shape_of(node, reference)
    mixed = MISSING not in (left, right) and shape_of(node, left) is not shape
    if mixed or shape in (Shape.SCALAR, Shape.ATOMIC) or _both_empty(left, right):
        if left is MISSING:
            report("added", path)
        elif right is MISSING:
            report("removed", path)
        elif left != right:
            report("modified", path)
        return
    if shape is Shape.FIELDS:
        _compare_fields(node, left, right, path, report)
    else:
        _compare_items(node, left, right, path, report)
    if left is MISSING:
        report("added", path)
    elif right is MISSING:
        report("removed", path)


def _both_empty(left: Any, right: Any) -> bool:
    return all(value is MISSING or value is None or value in ({}, []) for value in (left, right))


def _compare_fields(node: SchemaNode, left: Any, right: Any, path: Path, report: _Report) -> None:
    before = left if isinstance(left, dict) else {}
    after = right if isinstance(right, dict) else {}
    for key in sorted(before.keys() | after.keys()):
        below = (*path, "f:" + key)
        _compare(_child(node, key), before.get(key, MISSING), after.get(key, MISSING), below, report)


def _compare_items(node: SchemaNode, left: Any, right: Any, path: Path, report: _Report) -> None:
    before, after = _by_element(node, left), _by_element(node, right)
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name, []), after.get(name, [])
        if len(old) <= 1 and len(new) <= 1:
            _compare(item_node(node), (old or [MISSING])[0], (new or [MISSING])[0], (*path, name), report)
        elif old != new:
            report("added" if not old else "modified" if new else "removed", (*path, name))


def _by_element(node: SchemaNode, items: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items if isinstance(items, list) else ():
        found.setdefault(item_element(node, item), []).append(item)
    return found
