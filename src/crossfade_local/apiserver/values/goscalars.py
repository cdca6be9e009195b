"""Texts that Go decodes into bytes and times, and what its decoders say when they can't."""

import string
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = frozenset((string.ascii_letters + string.digits + "+/").encode())
_NEWLINES: Final = frozenset(b"\r\n")
_PAD: Final = ord("=")
_SECONDS: Final = ("2006", "-", "01", "-", "02", "T", "15", ":", "04", ":", "05", "Z07:00")
_MICROS: Final = (*_SECONDS[:-1], ".000000", "Z07:00")
_RANGES: Final = {"01": (1, 12, "month"), "02": (1, 31, "day"), "15": (0, 23, "hour"), "04": (0, 59, "minute")}


def base64_problem(text: str) -> str | None:
    """Of standard base64 with padding; line breaks are skipped."""
    position = _corrupt_byte(text.encode())
    return None if position is None else f"illegal base64 data at input byte {position}"


def _corrupt_byte(data: bytes) -> int | None:
    filled = 0
    for position, byte in enumerate(data):
        if byte in _NEWLINES:
            continue
        if byte in _ALPHABET:
            filled = (filled + 1) % 4
        elif byte == _PAD:
            return _corrupt_padding(data, position, filled)
        else:
            return position
    return len(data) - filled if filled else None


def _corrupt_padding(data: bytes, position: int, filled: int) -> int | None:
    if filled < 2:
        return position
    after = _skip(data, position + 1)
    if filled == 2:
        if after == len(data):
            return after
        if data[after] != _PAD:
            return after - 1
        after = _skip(data, after + 1)
    return after if after < len(data) else None


def _skip(data: bytes, position: int) -> int:
    while position < len(data) and data[position] in _NEWLINES:
        position += 1
    return position


def time_problem(text: str, *, micro: bool = False) -> str | None:
    """Of an RFC 3339 time; `micro` demands six digits after the second, as leases and new events have."""
    layout = _MICROS if micro else _SECONDS
    rest = text
    for element in layout:
        after = _PARSERS.get(element, _literal(element))(rest)
        if after is None:
            return f'parsing time "{text}" as "{"".join(layout)}": cannot parse "{rest}" as "{element}"'
        if element in _RANGES:
            low, high, name = _RANGES[element]
            if not low <= int(rest[: len(rest) - len(after)]) <= high:
                return f'parsing time "{text}": {name} out of range'
        rest = after
        if element == "05" and not micro:
            rest = _without_fraction(rest)
    return f'parsing time "{text}": extra text: "{rest}"' if rest else None


def _digits(count: int) -> Callable[[str], str | None]:
    return lambda text: text[count:] if len(text) >= count and _is_number(text[:count]) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _literal(element: str) -> Callable[[str], str | None]:
    return lambda text: text[len(element) :] if text.startswith(element) else None


def _fraction(text: str) -> str | None:
    return text[7:] if text[:1] in (".", ",") and len(text) >= 7 and _is_number(text[1:7]) else None


def _without_fraction(text: str) -> str:
    if text[:1] not in (".", ",") or not _is_number(text[1:2]):
        return text
    return text[1:].lstrip(string.digits)


def _zone(text: str) -> str | None:
    if text.startswith("Z"):
        return text[1:]
    legal = len(text) >= 6 and text[0] in "+-" and text[3] == ":" and _is_number(text[1:3] + text[4:6])
    return text[6:] if legal else None


_PARSERS: Final[dict[str, Callable[[str], str | None]]] = {
    "2006": _digits(4),
    **dict.fromkeys(("01", "02", "15", "04", "05"), _digits(2)),
    ".000000": _fraction,
    "Z07:00": _zone,
}
