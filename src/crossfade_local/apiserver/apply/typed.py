"""Walks over an object along its schema: listing fields, comparing and removing.

The rules (what is owned as a whole, how list items are told apart, when an empty container counts as a field) are those
of Kubernetes' server-side apply.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from crossfade_local.apiserver.apply.field_set import EMPTY, FieldSet
from crossfade_local.apiserver.types.schema import UNKNOWN, SchemaNode, Shape
from crossfade_local.apiserver.values.gotext import quoted, to_json

MISSING: Final[Any] = type("Missing", (), {"__repr__": lambda _: "MISSING"})()
"""Stands for an absent value where None means null."""

# The type descriptions of built-in kinds lack this default, which tells the ports of containers and Services apart.
_KEY_DEFAULTS: Final = {"protocol": "TCP"}


_LEAVES: Final = frozenset({Shape.SCALAR, Shape.ATOMIC})


class TypedError(ValueError):
    """A value that doesn't fit its schema; the text begins with the field's path."""


class Comparison(NamedTuple):
    """Paths that differ between two objects; containers count when they appear or vanish themselves."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet


def shape_of(node: SchemaNode, value: Any) -> Shape:
    """How the value is owned; where the schema says nothing, the value decides."""
    if (shape := node.shape) is not None:
        return shape
    if isinstance(value, dict) or value is None:
        return Shape.ATOMIC if node.is_atomic else Shape.FIELDS
    return Shape.ATOMIC if isinstance(value, list) else Shape.SCALAR


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
        if key in item:
            found[key] = item[key]
            continue
        child = node.items.child(key) if node.items else None
        if child is not None and child.has_default:
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
    shape = shape_of(node, value)
    members: set[str] = set()
    children: dict[str, FieldSet] = {}
    if shape is Shape.ITEMS and isinstance(value, list):
        below = item_node(node)
        for item in value:
            name = item_element(node, item)
            members.add(name)
            if inner := field_set(below, item):
                children[name] = children[name] | inner if name in children else inner
    elif shape is Shape.FIELDS and isinstance(value, dict):
        for key, item in value.items():
            child = _child(node, key)
            is_leaf = shape_of(child, item) in _LEAVES
            if is_leaf or item is None or item == {} or key not in node.properties:
                members.add("f:" + key)
            if not is_leaf and (inner := field_set(child, item)):
                children["f:" + key] = inner
    return FieldSet.made(members, children)


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
    shape = shape_of(node, right)
    if shape in _LEAVES or shape_of(node, left) is not shape:
        return Comparison(EMPTY, EMPTY, EMPTY)
    return _compare(node, shape, left, right)


def _compare(node: SchemaNode, shape: Shape, left: Any, right: Any) -> Comparison:
    """Of two containers of one shape."""
    found = _Differences()
    if shape is Shape.FIELDS:
        before, after = (value if isinstance(value, dict) else {} for value in (left, right))
        for key in sorted(before.keys() | after.keys()):
            found.note("f:" + key, _child(node, key), before.get(key, MISSING), after.get(key, MISSING))
    else:
        old, new = _by_element(node, left), _by_element(node, right)
        for name in dict.fromkeys([*old, *new]):
            found.note_items(name, item_node(node), old.get(name, ()), new.get(name, ()))
    return found.comparison()


class _Differences:
    """Of one container."""

    def __init__(self) -> None:
        self._removed: tuple[set[str], dict[str, FieldSet]] = (set(), {})
        self._modified: tuple[set[str], dict[str, FieldSet]] = (set(), {})
        self._added: tuple[set[str], dict[str, FieldSet]] = (set(), {})

    def note(self, name: str, node: SchemaNode, old: Any, new: Any) -> None:
        if old is MISSING or new is MISSING:
            members, children = self._added if old is MISSING else self._removed
            members.add(name)
            if below := _everything(node, new if old is MISSING else old):
                children[name] = below
            return
        shape = shape_of(node, new)
        if shape in _LEAVES or shape_of(node, old) is not shape or (_is_empty(old) and _is_empty(new)):
            if old != new:
                self._modified[0].add(name)
            return
        for (_, children), fields in zip(self._all, _compare(node, shape, old, new), strict=True):
            if fields:
                children[name] = fields

    def note_items(self, name: str, node: SchemaNode, old: Sequence[Any], new: Sequence[Any]) -> None:
        """The items of one name, of which there should be one."""
        if len(old) <= 1 and len(new) <= 1:
            self.note(name, node, old[0] if old else MISSING, new[0] if new else MISSING)
        elif old != new:
            members, _ = self._added if not old else self._modified if new else self._removed
            members.add(name)

    @property
    def _all(self) -> tuple[tuple[set[str], dict[str, FieldSet]], ...]:
        return self._removed, self._modified, self._added

    def comparison(self) -> Comparison:
        return Comparison(*(FieldSet.made(members, children) for members, children in self._all))


def _everything(node: SchemaNode, value: Any) -> FieldSet:
    """All that comes or goes with a value, containers included."""
    if _is_empty(value):
        return EMPTY
    shape = shape_of(node, value)
    members: set[str] = set()
    children: dict[str, FieldSet] = {}
    if shape is Shape.FIELDS and isinstance(value, dict):
        for key, item in value.items():
            members.add("f:" + key)
            if below := _everything(_child(node, key), item):
                children["f:" + key] = below
    elif shape is Shape.ITEMS:
        for name, items in _by_element(node, value).items():
            members.add(name)
            if len(items) == 1 and (below := _everything(item_node(node), items[0])):
                children[name] = below
    return FieldSet.made(members, children)


def _is_empty(value: Any) -> bool:
    return value is None or value in ({}, [])


def _by_element(node: SchemaNode, items: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items if isinstance(items, list) else ():
        found.setdefault(item_element(node, item), []).append(item)
    return found
