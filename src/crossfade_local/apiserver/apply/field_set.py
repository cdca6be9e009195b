"""Sets of fields of an object, and their form in `managedFields` (FieldsV1).

A path is a tuple of elements, each spelled as FieldsV1 spells it: `f:name`, `k:{"name":"x"}`, `v:"text"`, `i:0`.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from crossfade_local.apiserver.values.gotext import plain, quoted

Path = tuple[str, ...]
_RANK = {"f": 0, "k": 1, "v": 2, "i": 3}


class FieldSet:
    """An immutable set of paths. A path may be a member without its children being members, and the reverse.

    Children that are equal may be one: what is made of one serves for all.
    """

    __slots__ = ("children", "members")

    def __init__(self, members: Iterable[str] = (), children: Mapping[str, "FieldSet"] | None = None) -> None:
        self.members = frozenset(members)
        self.children = {name: child for name, child in (children or {}).items() if child}

    @classmethod
    def made(cls, members: AbstractSet[str], children: dict[str, "FieldSet"]) -> "FieldSet":
        """None of the children is empty; they are kept as they are."""
        if not (members or children):
            return EMPTY
        found = cls.__new__(cls)
        found.members = frozenset(members)
        found.children = children
        return found

    @classmethod
    def of(cls, paths: Iterable[Path]) -> "FieldSet":
        members: set[str] = set()
        below: dict[str, list[Path]] = {}
        for path in paths:
            if len(path) == 1:
                members.add(path[0])
            elif path:
                below.setdefault(path[0], []).append(path[1:])
        return cls(members, {name: cls.of(rest) for name, rest in below.items()})

    @classmethod
    def union(cls, sets: Iterable["FieldSet"]) -> "FieldSet":
        """In time that grows with all of them together: an object may have thousands of managers."""
        members: set[str] = set()
        below: dict[str, list[FieldSet]] = {}
        for fields in sets:
            members |= fields.members
            for name, child in fields.children.items():
                below.setdefault(name, []).append(child)
        return cls(members, {name: one[0] if len(one) == 1 else cls.union(one) for name, one in below.items()})

    def __bool__(self) -> bool:
        return bool(self.members or self.children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSet) and (self.members, self.children) == (other.members, other.children)

    __hash__ = None  # type: ignore[assignment]  # compared by content, never a key

    def __contains__(self, path: Path) -> bool:
        if len(path) == 1:
            return path[0] in self.members
        child = self.children.get(path[0])
        return child is not None and path[1:] in child

    # What only one of two sets has is shared with the result, not gone through.

    def __or__(self, other: "FieldSet") -> "FieldSet":
        if not other:
            return self
        children = dict(self.children)
        for name, child in other.children.items():
            children[name] = children[name] | child if name in children else child
        return FieldSet.made(self.members | other.members, children)

    def __and__(self, other: "FieldSet") -> "FieldSet":
        names = self.children.keys() & other.children.keys()
        found = {name: both for name in names if (both := self.children[name] & other.children[name])}
        return FieldSet.made(self.members & other.members, found)

    def __sub__(self, other: "FieldSet") -> "FieldSet":
        children = dict(self.children)
        for name in children.keys() & other.children.keys():
            _keep(children, name, children[name] - other.children[name])
        return FieldSet.made(self.members - other.members, children)

    def without_subtrees(self, other: "FieldSet") -> "FieldSet":
        """Like a difference, but with a path everything below it goes too."""
        children = dict(self.children)
        for name in children.keys() & other.members:
            del children[name]
        for name in children.keys() & other.children.keys():
            _keep(children, name, children[name].without_subtrees(other.children[name]))
        return FieldSet.made(self.members - other.members, children)

    def below(self, name: str) -> "FieldSet":
        return self.children.get(name, EMPTY)

    def paths(self) -> Iterator[Path]:
        """Members first, then what lies below, each in order."""
        yield from ((name,) for name in _ordered(self.members))
        for name in _ordered(self.children):
            yield from ((name, *rest) for rest in self.children[name].paths())

    def encode(self) -> dict[str, Any]:
        """As FieldsV1, in which parts that are equal may be one: nothing of it can be changed."""
        members, children = self.members, self.children
        if not children:
            return {name: {} for name in _ordered(members)}
        found: dict[str, Any] = {}
        encoded: dict[tuple[int, bool], dict[str, Any]] = {}
        for name in _ordered(members | children.keys()):
            child = children.get(name)
            if child is None:
                found[name] = {}
                continue
            key = (id(child), name in members)
            if key not in encoded:
                encoded[key] = {".": {}, **child.encode()} if name in members else child.encode()
            found[name] = encoded[key]
        return found

    @classmethod
    def decode(cls, encoded: Any) -> "FieldSet":
        """Raises ValueError for what is no FieldsV1."""
        if not isinstance(encoded, dict):
            raise ValueError(f"not a set of fields: {encoded!r}")
        members: set[str] = set()
        children: dict[str, FieldSet] = {}
        flat: dict[tuple[str, ...], FieldSet] = {}
        for name, content in encoded.items():
            if name == ".":
                continue
            if not content:
                members.add(name)
                continue
            is_flat = isinstance(content, dict) and not any(content.values())
            below = flat.get(tuple(content)) if is_flat else None
            if below is None:
                below = cls.decode(content)
                if is_flat:
                    flat[tuple(content)] = below
            if below:
                children[name] = below
            if "." in content:
                members.add(name)
        return cls.made(members, children)


EMPTY = FieldSet()


def _keep(children: dict[str, FieldSet], name: str, rest: FieldSet) -> None:
    if rest:
        children[name] = rest
    else:
        del children[name]


def _ordered(names: Collection[str]) -> list[str]:
    if len(names) == 1:
        return list(names)
    found = sorted(names)
    # Those of one kind stand in this order already.
    return found if not found or found[0][:1] == found[-1][:1] else sorted(found, key=_rank)


def _rank(name: str) -> tuple[int, str]:
    return _RANK.get(name[:1], 4), name


def display(path: Path) -> str:
    """As conflicts name a field: `.spec.containers[name="x"].image`."""
    return "".join(map(display_element, path))


def display_element(element: str) -> str:
    kind, _, content = element.partition(":")
    if kind == "f":
        return "." + content
    if kind == "i":
        return f"[{content}]"
    value = json.loads(content)
    if kind == "k":
        return "[" + ",".join(f"{name}={_scalar(value[name])}" for name in sorted(value)) + "]"
    return f"[={_scalar(value)}]"


def _scalar(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else plain(value)
