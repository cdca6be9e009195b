"""Sets of fields of an object, and their form in `managedFields` (FieldsV1).

A path is a tuple of elements, each spelled as FieldsV1 spells it: `f:name`, `k:{"name":"x"}`, `v:"text"`, `i:0`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from crossfade_local.apiserver.values.gotext import plain, quoted

Path = tuple[str, ...]
_RANK = {"f": 0, "k": 1, "v": 2, "i": 3}


class FieldSet:
    """An immutable set of paths. A path may be a member without its children being members, and the reverse."""

    __slots__ = ("children", "members")

    def __init__(self, members: Iterable[str] = (), children: Mapping[str, "FieldSet"] | None = None) -> None:
        self.members = frozenset(members)
        self.children = {name: child for name, child in (children or {}).items() if child}

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

    def __or__(self, other: "FieldSet") -> "FieldSet":
        names = self.children.keys() | other.children.keys()
        children = {name: self.below(name) | other.below(name) for name in names}
        return FieldSet(self.members | other.members, children)

    def __and__(self, other: "FieldSet") -> "FieldSet":
        names = self.children.keys() & other.children.keys()
        return FieldSet(
            self.members & other.members, {name: self.children[name] & other.children[name] for name in names}
        )

    def __sub__(self, other: "FieldSet") -> "FieldSet":
        children = {name: child - other.below(name) for name, child in self.children.items()}
        return FieldSet(self.members - other.members, children)

    def without_subtrees(self, other: "FieldSet") -> "FieldSet":
        """Like a difference, but with a path everything below it goes too."""
        kept = {name: child for name, child in self.children.items() if name not in other.members}
        children = {name: child.without_subtrees(other.below(name)) for name, child in kept.items()}
        return FieldSet(self.members - other.members, children)

    def below(self, name: str) -> "FieldSet":
        return self.children.get(name, _EMPTY)

    def paths(self) -> Iterator[Path]:
        """Members first, then what lies below, each in order."""
        yield from ((name,) for name in sorted(self.members, key=_rank))
        for name in sorted(self.children, key=_rank):
            yield from ((name, *rest) for rest in self.children[name].paths())

    def encode(self) -> dict[str, Any]:
        """As FieldsV1."""
        found: dict[str, Any] = {}
        for name in sorted(self.members | self.children.keys(), key=_rank):
            child = self.children.get(name)
            content = child.encode() if child else {}
            found[name] = {".": {}, **content} if child and name in self.members else content
        return found

    @classmethod
    def decode(cls, encoded: Mapping[str, Any]) -> "FieldSet":
        members, children = set(), {}
        for name, content in encoded.items():
            if name == ".":
                continue
            if not content or "." in content:
                members.add(name)
            if content:
                children[name] = cls.decode(content)
        return cls(members, children)


_EMPTY = FieldSet()


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
