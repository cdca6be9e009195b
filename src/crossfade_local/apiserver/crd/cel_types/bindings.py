"""What the parameters of types turn out to stand for."""

from collections.abc import Iterable
from itertools import count

from crossfade_local.apiserver.crd.cel_types.types import (
    DYN,
    Kind,
    Type,
    is_open,
    parameter,
    takes_null,
)


class Bindings:
    def __init__(self) -> None:
        self._found: dict[Type, Type] = {}
        self._undo: list[tuple[Type, Type | None]] = []
        self._numbers = count()

    def fresh(self) -> Type:
        return parameter(f"_var{next(self._numbers)}")

    def resolved(self, one: Type, *, is_final: bool = False) -> Type:
        """With what is known of its parameters; at last those of which nothing is known may be anything."""
        while (found := self._found.get(one)) is not None:
            one = found
        if one.kind is Kind.PARAMETER:
            return DYN if is_final else one
        if not one.inside:
            return one
        return Type(one.name, one.kind, tuple(self.resolved(part, is_final=is_final) for part in one.inside))

    def fits(self, pairs: Iterable[tuple[Type, Type]]) -> bool:
        """Whether each first type can be used as the second. What that says of parameters counts only if all fit."""
        mark = len(self._undo)
        if all(self._fits(one, other) for one, other in pairs):
            self._undo.clear()
            return True
        while len(self._undo) > mark:
            key, before = self._undo.pop()
            if before is None:
                del self._found[key]
            else:
                self._found[key] = before
        return False

    def _bind(self, key: Type, one: Type) -> None:
        self._undo.append((key, self._found.get(key)))
        self._found[key] = one

    def _fits(self, one: Type, other: Type) -> bool:
        if other.kind is Kind.PARAMETER:
            if self._stands_for(other, one):
                return True
            if other in self._found:
                return False
        if one.kind is Kind.PARAMETER:
            return self._stands_for(one, other)
        if is_open(one) or is_open(other):
            return True
        if one.kind is Kind.NULL or other.kind is Kind.NULL:
            return takes_null(one) and takes_null(other)
        if one.kind is Kind.TYPE:
            return other.kind is Kind.TYPE
        if one.kind is not other.kind or one.name != other.name or len(one.inside) != len(other.inside):
            return False
        return all(map(self._fits, one.inside, other.inside))

    def _stands_for(self, key: Type, one: Type) -> bool:
        """Whether a parameter can be a type; then it is that, or what is more general of what it was and that."""
        if key == one:
            return True
        known = self._found.get(key)
        if known is None:
            if not self._is_inside(key, one):
                self._bind(key, one)
                return True
            return False
        if known == one:
            return True
        if not self._fits(one, known):
            return False
        general = most_general(one, known)
        if not self._is_inside(key, general):
            self._bind(key, general)
        return True

    def _is_inside(self, key: Type, one: Type) -> bool:
        if key == one:
            return True
        if one.kind is Kind.PARAMETER:
            known = self._found.get(one)
            return known is not None and self._is_inside(key, known)
        return any(self._is_inside(key, part) for part in one.inside)


def most_general(one: Type, other: Type) -> Type:
    """Of two that fit each other."""
    return one if _covers(one, other) else other


def _covers(one: Type, other: Type) -> bool:
    if one.kind in (Kind.DYNAMIC, Kind.PARAMETER):
        return True
    if other.kind in (Kind.DYNAMIC, Kind.PARAMETER) or one.kind is not other.kind:
        return False
    if one.kind is Kind.TYPE:
        return True
    return (
        one.name == other.name and len(one.inside) == len(other.inside) and all(map(_covers, one.inside, other.inside))
    )
