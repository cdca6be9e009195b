"""`'%s of %d'.format([…])`, as cel-go's `strings` extension writes values."""

import re
from collections.abc import Callable
from typing import Any, Final

from crossfade_local.apiserver.crd.cel_library.values import kind_of, text, text_of
from crossfade_local.apiserver.values import gotext

_CLAUSE: Final = re.compile(r"%(?:(%)|(?:\.(\d{1,3}))?([sdfexXob])|)")
_RAISED: Final = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "+")


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case float():
            return f"{value:.0f}" if value.is_integer() and abs(value) < 1e21 else repr(value)
        case bytes():
            return value.decode(errors="replace")
        case list() | dict():
            return _inside(value)
    return str(text_of(value))


def _inside(value: Any) -> str:
    """Of a list or a map, where texts have quotes."""
    match value:
        case str():
            return gotext.quoted(value)
        case float():
            return f"{value:f}"
        case list():
            return f"[{', '.join(map(_inside, value))}]"
        case dict() if not kind_of(value):
            entries = sorted((_inside(key), _inside(inner)) for key, inner in value.items())
            return "{" + ", ".join(f"{key}:{inner}" for key, inner in entries) + "}"
    return _shown(value) if not isinstance(value, dict) else str(text_of(value))


def _number(letter: str, value: Any, digits: str | None) -> str:
    if letter in "fe" and isinstance(value, float):
        written = f"{value:.{digits or 6}{letter}}"
        mantissa, mark, exponent = written.partition("e")
        return f"{mantissa}×10{exponent.translate(_RAISED)}" if mark else written
    if letter in "xX" and isinstance(value, str | bytes):
        raw = value.encode() if isinstance(value, str) else value
        return raw.hex().upper() if letter == "X" else raw.hex()
    if isinstance(value, bool) and letter == "b":
        return str(int(value))
    if isinstance(value, bool) or not isinstance(value, int) or letter in "fe":
        raise ValueError(f"error during formatting: no such overload for %{letter}")
    return f"{value:{letter}}"


def _format(pattern: Any, values: Any) -> str:
    if not isinstance(values, list):
        raise ValueError("no such overload")
    left = iter(values)

    def written(clause: re.Match[str]) -> str:
        if clause[1]:
            return "%"
        if not clause[3]:
            raise ValueError("could not parse formatting clause")
        value = next(left, _MISSING)
        if value is _MISSING:
            raise ValueError("index out of range: fewer values than clauses")
        return _shown(value) if clause[3] == "s" else _number(clause[3], value, clause[2])

    found = _CLAUSE.sub(written, text(pattern))
    if next(left, _MISSING) is not _MISSING:
        raise ValueError("too many arguments supplied to string.format")
    return found


_MISSING: Final = object()
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {"format": _format}
