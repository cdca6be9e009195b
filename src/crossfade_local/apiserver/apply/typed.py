"""Walks over an object along its schema: listing fields, comparing and removing.

The rules (what is owned as a whole, how list items are told apart, when an empty container counts as a field) are those
of Kubernetes' server-side apply.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from crossfade_local.apiserver.apply.field_set import EMPTY, FieldSet
from crossfade_local.apiserver.types.schema import UNKNOWN, SchemaNode, Shape
from crossfade_local.apiserver.values.copies import COMPOSITES
from crossfade_local.apiserver.values.gotext import quoted, to_json

MISSING: Final[Any] = type("Missing", (), {"__repr__": lambda _: "MISSING"})()
"""Stands for an absent value where None means null."""

# The type descriptions of built-in kinds lack this default, which tells the ports of containers and Services apart.
_KEY_DEFAULTS: Final = {"protocol": "TCP"}


_NOT_FLAT: Final = COMPOSITES | {type(None)}
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


def item_elements(node: SchemaNode, items: list[Any]) -> list[str]:
    """The path element of each item of an associative list. Raises TypedError."""
    if node.list_type == "set" or len(node.map_keys) != 1:
        return [item_element(node, item) for item in items]
    # Most lists: the rest of the element is written once.
    (key,) = node.map_keys
    before = f"k:{{{to_json(key)}:"
    return [
        f"{before}{to_json(item[key])}}}" if type(item) is dict and key in item else item_element(node, item)
        for item in items
    ]


def item_element(node: SchemaNode, item: Any) -> str:
    """Raises TypedError."""
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
        names = item_elements(node, value)
        members.update(names)
        for name, inner in _of_items(field_set, below, zip(names, value, strict=True)):
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


def _of_items(
    make: Callable[[SchemaNode, Any], FieldSet], node: SchemaNode, items: Iterable[tuple[str, Any]]
) -> Iterator[tuple[str, FieldSet]]:
    """The fields of each item that has some: of those that have the same, and nothing in them, made once."""
    made: dict[tuple[str, ...], FieldSet] = {}
    for name, item in items:
        if type(item) is dict and _NOT_FLAT.isdisjoint(map(type, item.values())):
            keys = tuple(item)
            found = made.get(keys)
            if found is None:
                found = made[keys] = make(node, item)
        else:
            found = make(node, item)
        if found:
            yield name, found


def with_named_fields(node: SchemaNode, fields: FieldSet) -> FieldSet:
    """The same set, with each declared field that has members below it as a member too."""
    members = set(fields.members)
    children = {}
    of_items: dict[int, FieldSet] = {}
    for name, child in fields.children.items():
        if name.startswith("f:"):
            if name[2:] in node.properties:
                members.add(name)
            children[name] = with_named_fields(_child(node, name[2:]), child)
        elif id(child) in of_items:
            children[name] = of_items[id(child)]
        else:
            children[name] = of_items[id(child)] = with_named_fields(item_node(node), child)
    return FieldSet.made(members, children)


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
        for name, item in zip(item_elements(node, value), value, strict=True):
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
    if type(value) not in COMPOSITES or not value:
        return EMPTY
    shape = shape_of(node, value)
    children: dict[str, FieldSet] = {}
    if shape is Shape.FIELDS and isinstance(value, dict):
        for key, item in value.items():
            if type(item) in COMPOSITES and (below := _everything(_child(node, key), item)):
                children["f:" + key] = below
        return FieldSet.made({"f:" + key for key in value}, children)
    if shape is not Shape.ITEMS or not isinstance(value, list):
        return EMPTY
    found = _by_element(node, value)
    single = ((name, items[0]) for name, items in found.items() if len(items) == 1)
    return FieldSet.made(found.keys(), dict(_of_items(_everything, item_node(node), single)))


def _is_empty(value: Any) -> bool:
    return value is None or value in ({}, [])


def _by_element(node: SchemaNode, items: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    if isinstance(items, list):
        for name, item in zip(item_elements(node, items), items, strict=True):
            found.setdefault(name, []).append(item)
    return found
