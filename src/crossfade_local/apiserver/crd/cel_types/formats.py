"""`'%d of %s'.format([…])`: a literal format is told what it cannot write, as cel-go's validator of formats does."""

from collections.abc import Iterator
from typing import Final

from crossfade_local.apiserver.crd.cel_types.expression import Applied, Constant, Entries, Expression, Items
from crossfade_local.apiserver.crd.cel_types.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    Kind,
    Type,
)
from crossfade_local.apiserver.crd.faults import Fault
from crossfade_local.apiserver.values.gotext import quoted

_INTEGERS: Final = (INT, UINT)
_DOUBLES: Final = (DOUBLE, STRING)
"""A text may be `NaN` or `Infinity`."""
_WRITABLE: Final = frozenset((INT, UINT, DOUBLE, BOOL, STRING, BYTES, TIMESTAMP, DURATION))
_WRITABLE_KINDS: Final = frozenset((Kind.LIST, Kind.MAP, Kind.TYPE, Kind.NULL, Kind.DYNAMIC))
_HEX: Final = (
    (INT, UINT, STRING, BYTES),
    "only integers, byte buffers, and strings can be formatted as hex, was given ",
)
_CLAUSES: Final[dict[str, tuple[tuple[Type, ...], str]]] = {
    "d": (_INTEGERS, "decimal clause can only be used on integers, was given "),
    "f": (_DOUBLES, "fixed-point clause can only be used on doubles, was given "),
    "e": (_DOUBLES, "scientific clause can only be used on doubles, was given "),
    "b": ((*_INTEGERS, BOOL), "only integers and bools can be formatted as binary, was given "),
    "o": (_INTEGERS, "octal clause can only be used on integers, was given "),
    "x": _HEX,
    "X": _HEX,
}
_NOT_WRITABLE: Final = (
    "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and"
    " timestamps, was given "
)
_NAMES: Final = {DURATION: "google.protobuf.Duration", NULL: "null_type", TIMESTAMP: "google.protobuf.Timestamp"}
"""Of types whose values say another one."""
_MOST_PRECISE: Final = 2**63


class _FormatError(Exception):
    """`place` is None where the whole call is wrong."""

    def __init__(self, said: str, place: int | None = None) -> None:
        super().__init__(said)
        self.place = place


def faults(part: Expression) -> Iterator[Fault]:
    """Of a call whose types are right; the first only."""
    if not (isinstance(part, Applied) and part.function == "format" and part.is_member and len(part.given) == 1):
        return
    target, given = part.target, part.given[0]
    if isinstance(target, Constant) and isinstance(target.value, str) and isinstance(given, Items):
        items = [item for _, item in given.items]
        try:
            used = _compared(target.value.encode(errors="replace"), items)
        except _FormatError as error:
            yield Fault(part.place if error.place is None else error.place, str(error))
            return
        if len(items) > used:
            said = f"too many arguments supplied to string.format (expected {used}, got {len(items)})"
            yield Fault(part.place, said)


def _compared(text: bytes, items: list[Expression]) -> int:
    """How many of the items the format writes."""
    place, used = 0, 0
    while (place := text.find(b"%", place)) >= 0:
        place += 1
        if text[place : place + 1] == b"%":
            place += 1
            continue
        if place == len(text):
            raise _FormatError("unexpected end of string")
        if used == len(items):
            raise _FormatError(f"index {used} out of range")
        place = _past_precision(text, place)
        letter = chr(text[place])
        if letter != "s" and letter not in _CLAUSES:
            raise _FormatError(f'could not parse formatting clause: unrecognized formatting clause "{letter}"')
        _compare(letter, items[used])
        place, used = place + 1, used + 1
    return used


def _past_precision(text: bytes, place: int) -> int:
    if text[place] != ord("."):
        return place
    end = place + 1
    while end < len(text) and chr(text[end]) in "0123456789":
        end += 1
    digits = text[place + 1 : end].decode()
    problem = ""
    if end == len(text):
        problem = "could not find end of precision specifier"
    elif not digits or len(digits.lstrip("0")) > len(str(_MOST_PRECISE)) or int(digits) >= _MOST_PRECISE:
        why = "value out of range" if digits else "invalid syntax"
        problem = f"error while converting precision to integer: strconv.Atoi: parsing {quoted(digits)}: {why}"
    if problem:
        raise _FormatError(f"could not parse formatting clause: error while parsing precision: {problem}")
    return end


def _compare(letter: str, item: Expression) -> None:
    if letter == "s":
        wrong, said = _not_writable(item), _NOT_WRITABLE
    else:
        wanted, said = _CLAUSES[letter]
        wrong = None if item.type.kind is Kind.DYNAMIC or item.type in wanted else item
    if wrong is not None:
        name = _NAMES.get(wrong.type, wrong.type.name)
        raise _FormatError(f"error during formatting: {said}{name}", wrong.place)


def _not_writable(one: Expression) -> Expression | None:
    """The first, where lists and maps are written out."""
    if one.type.kind not in _WRITABLE_KINDS and one.type not in _WRITABLE:
        return one
    inside: list[Expression] = []
    if isinstance(one, Items):
        inside = [item for _, item in one.items]
    elif isinstance(one, Entries):
        inside = [part for _, key, value in one.entries for part in (key, value)]
    return next((found for part in inside if (found := _not_writable(part))), None)
