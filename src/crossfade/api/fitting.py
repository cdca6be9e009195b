"""Brings the numbers of an object within the bounds that its structs are annotated with.

Only amounts are changed, to the nearest that does: a timeout of 300 years cannot be told from one of 68, but a port out
of range has no neighbour that would do. Whoever uses a port asks `bounds.PORT`.
"""

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Final, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, structs

from crossfade.api.bounds import Misfit

T = TypeVar("T")


class Adjustment(Struct, frozen=True):
    """`field` is the JSON path of the value that did not fit; `problem` says why and what would."""

    field: str
    problem: str
    used: int


class Rule(Protocol):
    """`Bounds`, or a rule for a struct of a number and its unit."""

    def check(self, value: Any) -> Any: ...

    def fitted(self, value: Any) -> Any: ...


class Place(Struct, frozen=True):
    """A field of a struct with a rule, or with structs inside that have some."""

    attribute: str
    name: str
    rule: Rule | None
    is_list: bool


def fitted(value: T, path: str = "") -> tuple[T, tuple[Adjustment, ...]]:
    """The same object where everything fits. `path` is the JSON path of `value`."""
    found: list[Adjustment] = []
    return _fitted(value, (path,), found), tuple(found)


def _fitted(value: Any, path: tuple[Any, ...], found: list[Adjustment]) -> Any:
    """`path` is a chain of (rest of the path, last part), written out only when it is needed."""
    changed = {}
    kind: type[Struct] = type(value)
    for place in places(kind):
        old = getattr(value, place.attribute)
        if old is None:
            continue
        here = (path, place.name)
        if place.rule is not None and not place.is_list:
            new = _checked(old, place.rule, here, found)
        elif place.is_list:
            new = _fitted_items(old, place.rule, here, found)
        else:
            new = _fitted(old, here, found)
        if new is not old:
            changed[place.attribute] = new
    return structs.replace(value, **changed) if changed else value


def _fitted_items(items: tuple[Any, ...], rule: Rule | None, path: tuple[Any, ...], found: list[Adjustment]) -> Any:
    before = len(found)
    new = tuple(
        _checked(item, rule, (path, index), found) if rule else _fitted(item, (path, index), found)
        for index, item in enumerate(items)
    )
    return new if len(found) > before else items


def _checked(value: Any, rule: Rule, path: tuple[Any, ...], found: list[Adjustment]) -> Any:
    checked = rule.check(value)
    if not isinstance(checked, Misfit) or checked.nearest is None:
        return value
    found.append(Adjustment(_written(path), checked.problem, checked.nearest))
    return rule.fitted(value)


def _written(path: tuple[Any, ...]) -> str:
    if len(path) == 1:
        return str(path[0])
    rest, last = _written(path[0]), path[1]
    if isinstance(last, int):
        return f"{rest}[{last}]"
    return f"{rest}.{last}" if rest else last


# --- what structs say ------------------------------------------------------------------------------------------


@cache
def places(kind: type[Struct]) -> tuple[Place, ...]:
    """The fields of a struct that have rules inside."""
    hints = get_type_hints(kind, include_extras=True)
    names = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    return tuple(_found_places(hints, names))


def _found_places(hints: dict[str, Any], names: dict[str, str]) -> Iterator[Place]:
    for attribute, name in names.items():
        hint, is_list = _single(hints[attribute])
        rule = next((part for part in getattr(hint, "__metadata__", ()) if hasattr(part, "fitted")), None)
        if rule is not None or (_is_struct(hint) and places(hint)):
            yield Place(attribute, name, rule, is_list)


_UNIONS: Final = (Union, types.UnionType)


def _single(hint: Any) -> tuple[Any, bool]:
    """The type itself of an optional one, the items' of a list; and whether it is a list."""
    if get_origin(hint) in _UNIONS:
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is tuple:
        return get_args(hint)[0], True
    return hint, False


def _is_struct(hint: Any) -> bool:
    return get_origin(hint) is not Annotated and isinstance(hint, type) and issubclass(hint, Struct)
