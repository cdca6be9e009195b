"""Expressions without macros: what is left is names, fields, calls (operators are calls, too), literals and loops."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from crossfade_local.apiserver.crd.cel_types.declarations import Overload
from crossfade_local.apiserver.crd.cel_types.types import ERROR, Type


@dataclass(slots=True, eq=False)
class Expression:
    place: int
    """In the text."""
    type: Type = field(default=ERROR, init=False)
    """Found by the checker."""


@dataclass(slots=True, eq=False)
class Constant(Expression):
    kind: Type
    value: str | bytes | float | int | bool | None


@dataclass(slots=True, eq=False)
class Identifier(Expression):
    name: str


@dataclass(slots=True, eq=False)
class Field(Expression):
    target: Expression
    name: str
    is_test: bool = False
    """Of whether it is there."""
    is_optional: bool = False


@dataclass(slots=True, eq=False)
class Applied(Expression):
    function: str
    target: Expression | None
    given: list[Expression]
    overloads: list[Overload] = field(default_factory=list, init=False)
    """All that fit, found by the checker."""
    is_member: bool = field(default=False, init=False)
    """Else what looks like its target is a part of the function's name."""


@dataclass(slots=True, eq=False)
class Items(Expression):
    items: list[tuple[bool, Expression]]
    """Each with whether it is optional."""


@dataclass(slots=True, eq=False)
class Entries(Expression):
    entries: list[tuple[bool, Expression, Expression]]


@dataclass(slots=True, eq=False)
class Made(Expression):
    """A value of a named type; each field with its place, and whether it is optional."""

    name: str
    fields: list[tuple[str, Expression, int, bool]]


@dataclass(slots=True, eq=False)
class Loop(Expression):
    """Goes through `over`. `result` is what comes of `sum_`, which is `start` and then `step` of each turn."""

    over: Expression
    variables: tuple[str, ...]
    """One, or two: index or key, and value."""
    sum_name: str
    start: Expression
    goes_on: Expression
    step: Expression
    result: Expression


def parts_of(one: Expression) -> list[Expression]:
    match one:
        case Field():
            return [one.target]
        case Applied():
            return [*([one.target] if one.target else []), *one.given]
        case Items():
            return [item for _, item in one.items]
        case Entries():
            return [part for _, key, value in one.entries for part in (key, value)]
        case Made():
            return [value for _, value, _, _ in one.fields]
        case Loop():
            return [one.over, one.start, one.goes_on, one.step, one.result]
    return []


def all_of(expression: Expression, enters: Callable[[Expression], bool] = lambda _: True) -> Iterator[Expression]:
    """It and its parts, each once; without the parts of what is not entered."""
    seen: set[Expression] = set()
    waiting = [expression]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        yield one
        if enters(one):
            waiting.extend(parts_of(one))
