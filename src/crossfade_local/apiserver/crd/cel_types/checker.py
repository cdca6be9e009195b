"""Gives each part of an expression its type, and says what does not fit.

What the types leave open may be anything (`dyn`), and is looked at when the expression is evaluated.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from crossfade_local.apiserver.crd.cel_types import types
from crossfade_local.apiserver.crd.cel_types.bindings import Bindings, most_general
from crossfade_local.apiserver.crd.cel_types.declarations import Overload, functions
from crossfade_local.apiserver.crd.cel_types.expansion import AND, OR
from crossfade_local.apiserver.crd.cel_types.expression import (
    Applied,
    Constant,
    Entries,
    Expression,
    Field,
    Identifier,
    Items,
    Loop,
    Made,
    all_of,
)
from crossfade_local.apiserver.crd.cel_types.types import BOOL, DYN, ERROR, INT, Kind, Type
from crossfade_local.apiserver.crd.faults import Fault

_Variables = Mapping[str, Type]
_Messages = Callable[[str], Type | None]
_MANY_FAULTS: Final = 1_000


def _no_messages(_name: str) -> None:
    return None


def check(
    expression: Expression,
    variables: _Variables,
    lacking: Mapping[str, str],
    *,
    messages: _Messages = _no_messages,
    more_functions: Mapping[str, tuple[Overload, ...]] | None = None,
) -> list[Fault]:
    """The type of each part is only right where there are no faults.

    `lacking`: what is said of variables that only Kubernetes has. `messages` are the types of which values can be made.
    """
    checker = _Checker(lacking, messages, {**functions(), **(more_functions or {})} if more_functions else functions())
    checker.type_of(expression, variables)
    if not checker.faults:
        _settle(expression, checker.bindings)
    return checker.faults


class _Checker:
    def __init__(
        self, lacking: Mapping[str, str], messages: _Messages, known: Mapping[str, tuple[Overload, ...]]
    ) -> None:
        self._lacking = lacking
        self._messages = messages
        self.faults: list[Fault] = []
        self.bindings = Bindings()
        self._seen: dict[Expression, list[Fault]] = {}
        self._functions = known

    def type_of(self, one: Expression, known: _Variables) -> Type:
        """What stands in two places is looked at once, and its faults count twice."""
        if one in self._seen:
            self.faults += self._seen[one][: _MANY_FAULTS - len(self.faults)]
            return one.type
        before = len(self.faults)
        one.type = self._type_of(one, known)
        self._seen[one] = self.faults[before:]
        return one.type

    def _type_of(self, one: Expression, known: _Variables) -> Type:
        match one:
            case Constant():
                return one.kind
            case Identifier():
                return known.get(one.name) or self._undeclared(one.name, one.place)
            case Field():
                return self._field(one, known)
            case Applied():
                return self._applied(one, known)
            case Items():
                return types.list_of(self._common([(item, is_marked) for is_marked, item in one.items], known))
            case Entries():
                return self._entries(one, known)
            case Made():
                return self._made(one, known)
            case Loop():
                return self._loop(one, known)
        raise TypeError(one)

    def _wrong(self, place: int, said: str) -> Type:
        self.faults.append(Fault(place, said))
        return ERROR

    def _undeclared(self, name: str, place: int) -> Type:
        way_out = f": {self._lacking[name]}" if name in self._lacking else ""
        return self._wrong(place, f"undeclared reference to '{name}' (in container ''){way_out}")

    # -- fields --------------------------------------------------------------------------------------------------

    def _field(self, one: Field, known: _Variables) -> Type:
        if (named := known.get(_qualified(one))) is not None:
            return named
        target = self.bindings.resolved(self.type_of(one.target, known))
        inside, was_optional = types.without_optional(target)
        found = self._field_of(inside, one)
        if one.is_test:
            return BOOL
        return types.optional_of(found) if was_optional or one.is_optional else found

    def _field_of(self, target: Type, one: Field) -> Type:
        if target.kind is Kind.MAP:
            return self.bindings.resolved(target.inside[1])
        if target.kind is Kind.OBJECT:
            return self._declared_field(target, one)
        if target.kind is Kind.PARAMETER:
            self.bindings.fits([(DYN, target)])
        elif not types.is_open(target):
            self._wrong(one.place, f"type '{target}' does not support field selection")
        return DYN

    def _declared_field(self, target: Type, one: Field) -> Type:
        if target.field_named is None:
            return self._wrong(one.place, f"unexpected failed resolution of '{target}'")
        return target.field_named(one.name) or self._wrong(one.place, f"undefined field '{one.name}'")

    # -- calls ---------------------------------------------------------------------------------------------------

    def _applied(self, one: Applied, known: _Variables) -> Type:
        given = [self.type_of(argument, known) for argument in one.given]
        if one.function in (AND, OR):
            return self._joined(one, given)
        name, target = one.function, one.target
        if target is not None:
            qualified = f"{_qualified(target)}.{name}"
            if qualified in self._functions:
                name, target = qualified, None
            else:
                given.insert(0, self.type_of(target, known))
        overloads = self._functions.get(name)
        if overloads is None:
            return self._undeclared(name, one.place)
        one.function, one.is_member = name, target is not None
        return self._result(one, overloads, given) or self._no_overload(one, given)

    def _joined(self, one: Applied, given: list[Type]) -> Type:
        found = BOOL
        for argument, kind in zip(one.given, given, strict=True):
            if not self.bindings.fits([(kind, BOOL)]):
                found = self._wrong(argument.place, f"expected type 'bool' but found '{kind}'")
        return found

    def _result(self, one: Applied, overloads: Sequence[Overload], given: list[Type]) -> Type | None:
        """Of all ways to call the function that fit; anything, if they come to different types."""
        result: Type | None = None
        for overload in overloads:
            if overload.is_member is not one.is_member or len(overload.given) != len(given):
                continue
            wanted, comes_to = self._instance(overload)
            if not self.bindings.fits(zip(given, wanted, strict=True)):
                continue
            one.overloads.append(overload)
            found = self.bindings.resolved(comes_to)
            if result is None:
                result = found
            elif result.kind is not Kind.DYNAMIC and found != result:
                result = DYN
        return result

    def _instance(self, overload: Overload) -> tuple[Sequence[Type], Type]:
        """With parameters of its own."""
        if not overload.has_parameters:
            return overload.given, overload.result
        fresh: dict[str, Type] = {}

        def own(one: Type) -> Type:
            if one.kind is Kind.PARAMETER:
                return fresh.setdefault(one.name, self.bindings.fresh()) if one.name not in fresh else fresh[one.name]
            return Type(one.name, one.kind, tuple(map(own, one.inside))) if one.inside else one

        return list(map(own, overload.given)), own(overload.result)

    def _no_overload(self, one: Applied, given: list[Type]) -> Type:
        shown = [str(self.bindings.resolved(kind, is_final=True)) for kind in given]
        target = f"{shown.pop(0)}." if one.is_member else ""
        said = f"found no matching overload for '{one.function}' applied to '{target}({', '.join(shown)})'"
        return self._wrong(one.place, said)

    # -- lists and maps ------------------------------------------------------------------------------------------

    def _common(self, parts: Sequence[tuple[Expression, bool]], known: _Variables) -> Type:
        """The type of all parts, of which those that are marked are optional."""
        found: Type | None = None
        for part, is_marked in parts:
            found = self._with(found, part, known, is_marked=is_marked)
        return found or self.bindings.fresh()

    def _with(self, before: Type | None, part: Expression, known: _Variables, *, is_marked: bool = False) -> Type:
        kind = self.type_of(part, known)
        if is_marked:
            kind, was_optional = types.without_optional(kind)
            if not was_optional and kind.kind is not Kind.DYNAMIC:
                self._mismatch(part.place, types.optional_of(kind), kind)
        if before is None:
            return kind
        return most_general(before, kind) if self.bindings.fits([(before, kind)]) else DYN

    def _mismatch(self, place: int, wanted: Type, found: Type) -> Type:
        return self._wrong(place, f"expected type '{wanted}' but found '{found}'")

    def _entries(self, one: Entries, known: _Variables) -> Type:
        keys: Type | None = None
        values: Type | None = None
        for is_optional, key, value in one.entries:
            keys = self._with(keys, key, known)
            values = self._with(values, value, known, is_marked=is_optional)
        return types.map_of(keys or self.bindings.fresh(), values or self.bindings.fresh())

    def _made(self, one: Made, known: _Variables) -> Type:
        made = self._messages(one.name)
        if made is None:
            return self._undeclared(one.name, one.place)
        for name, value, place, is_optional in one.fields:
            found = self.type_of(value, known)
            if is_optional:
                found, _ = types.without_optional(found)
            wanted = made.field_named(name) if made.field_named else None
            if wanted is None:
                self._wrong(place, f"undefined field '{name}'")
            elif not self.bindings.fits([(wanted, found)]):
                said = f"expected type of field '{name}' is '{wanted}' but provided type is '{found}'"
                self._wrong(place, said)
        return made

    # -- loops ---------------------------------------------------------------------------------------------------

    def _loop(self, one: Loop, known: _Variables) -> Type:
        over = self.bindings.resolved(self.type_of(one.over, known))
        start = self.type_of(one.start, known)
        outside = {**known, one.sum_name: start}
        inside = {**outside, **dict(zip(one.variables, self._turn(one, over), strict=True))}
        self._expect(one.goes_on, BOOL, inside)
        self._expect(one.step, start, inside)
        return self.bindings.resolved(self.type_of(one.result, outside))

    def _turn(self, one: Loop, over: Type) -> tuple[Type, ...]:
        """The types of the variables."""
        has_two = len(one.variables) == 2
        if over.kind is Kind.LIST:
            return (INT, over.inside[0]) if has_two else (over.inside[0],)
        if over.kind is Kind.MAP:
            return over.inside if has_two else (over.inside[0],)
        if types.is_open(over) or over.kind is Kind.PARAMETER:
            self.bindings.fits([(DYN, over)])
            return (DYN,) * len(one.variables)
        said = f"expression of type '{over}' cannot be range of a comprehension (must be list, map, or dynamic)"
        return (self._wrong(one.over.place, said),) * len(one.variables)

    def _expect(self, one: Expression, wanted: Type, known: _Variables) -> None:
        found = self.type_of(one, known)
        if not self.bindings.fits([(wanted, found)]):
            self._mismatch(one.place, wanted, found)


def _qualified(one: Expression) -> str:
    """The name with dots that fields of a name are written as; empty for anything else."""
    names: list[str] = []
    while isinstance(one, Field) and not one.is_test and not one.is_optional:
        names.append(one.name)
        one = one.target
    return ".".join([one.name, *reversed(names)]) if isinstance(one, Identifier) else ""


def _settle(expression: Expression, bindings: Bindings) -> None:
    """What is still open in the types may be anything."""
    for one in all_of(expression):
        one.type = bindings.resolved(one.type, is_final=True)
