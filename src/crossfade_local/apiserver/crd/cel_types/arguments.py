"""Literals that a function cannot take, and lists and maps of several types: told when the types are right."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from crossfade_local.apiserver.crd import patterns
from crossfade_local.apiserver.crd.cel_types import formats
from crossfade_local.apiserver.crd.cel_types.expression import (
    Applied,
    Constant,
    Entries,
    Expression,
    Items,
    all_of,
)
from crossfade_local.apiserver.crd.cel_types.types import Type, without_optional
from crossfade_local.apiserver.crd.faults import Fault

_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION: Final = re.compile(r"[+-]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_PART: Final = re.compile(r"(\d*\.?\d*)(ns|us|µs|μs|ms|s|m|h)")
_TIMESTAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:\d\d)")


def _is_duration(text: str) -> bool:
    if not _DURATION.fullmatch(text):
        return False
    return sum(Fraction(amount) * _UNITS[unit] for amount, unit in _PART.findall(text)) < 2**63


def _is_timestamp(text: str) -> bool:
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return False
    try:
        datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return True


def _is_pattern(text: str) -> bool:
    return not patterns.pattern_error(text)


_FIRST: Final[dict[str, Callable[[str], bool]]] = {
    "duration": _is_duration,
    "timestamp": _is_timestamp,
    "matches": _is_pattern,
}
_OF_PATTERNS: Final = ("matches", "find", "findAll")


def faults(expression: Expression) -> list[Fault]:
    """Of an expression whose types are right."""
    found = [fault for part in all_of(expression) for fault in (*_of_literal(part), *formats.faults(part))]
    return [*found, *(fault for part in all_of(expression, _is_no_format) for fault in _of_mixed(part))]


def _is_no_format(one: Expression) -> bool:
    """What is written out may be of several types."""
    return not (isinstance(one, Applied) and one.function == "format")


def broken_pattern(expression: Expression) -> str:
    """What is wrong with the first literal pattern that cannot be compiled; empty if all can."""
    for part in all_of(expression):
        if isinstance(part, Applied) and part.function in _OF_PATTERNS:
            place = 0 if part.target is not None else 1
            text = _literal(part, place)
            if text is not None and (problem := patterns.pattern_error(text)):
                return problem
    return ""


def _literal(call: Applied, place: int) -> str | None:
    given = call.given[place] if len(call.given) > place else None
    return given.value if isinstance(given, Constant) and isinstance(given.value, str) else None


def _of_literal(part: Expression) -> Iterator[Fault]:
    if isinstance(part, Applied) and part.function in _FIRST:
        text = _literal(part, 0)
        if text is not None and not _FIRST[part.function](text):
            yield Fault(part.given[0].place, f"invalid {part.function} argument")


def _of_mixed(part: Expression) -> Iterator[Fault]:
    match part:
        case Items():
            found = [(item, _own(item.type, is_marked)) for is_marked, item in part.items]
            yield from _mixed(found, is_first_only=True)
        case Entries():
            yield from _mixed([(key, key.type) for _, key, _ in part.entries])
            yield from _mixed([(value, _own(value.type, is_marked)) for is_marked, _, value in part.entries])


def _own(kind: Type, is_marked: bool) -> Type:
    return without_optional(kind)[0] if is_marked else kind


def _mixed(found: list[tuple[Expression, Type]], *, is_first_only: bool = False) -> Iterator[Fault]:
    for one, kind in found[1:]:
        if kind != found[0][1]:
            yield Fault(one.place, f"expected type '{found[0][1]}' but found '{kind}'")
            if is_first_only:
                return
