"""Ranks: an order of precedence as text, so that the policy module needs to know none.

A source of routes says with a tuple what decides first, second and so on; smaller comes first, as when tuples are
compared. Texts of equal length compare like the numbers that they stand for, and UTF-8 compares like its characters.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

_SIGN: Final = 1 << 63
_END: Final = "\x00"
_DIGITS: Final = 16

Weight: TypeAlias = bool | int | str
"""Numbers of 64 bits; texts without NUL, which ends one."""


def rank(*weights: Weight) -> str:
    """Compares, byte by byte as UTF-8, like the tuple of the weights; tuples of one source have the same types."""
    return "".join(map(_text, weights))


def weights(text: str, kinds: Sequence[type[Weight]]) -> tuple[Weight, ...]:
    """What `rank` made the text of, given the types of the weights. Raises ValueError for another text."""
    found: list[Weight] = []
    for kind in kinds:
        if kind is bool:
            part, text = text[:1], text[1:]
            found.append(part == "1")
        elif kind is int:
            part, text = text[:_DIGITS], text[_DIGITS:]
            found.append(int(part, 16) - _SIGN)
        else:
            part, end, text = text.partition(_END)
            if not end:
                raise ValueError("a text of a rank has no end")
            found.append(part)
    return tuple(found)


def _text(weight: Weight) -> str:
    if isinstance(weight, bool):
        return "1" if weight else "0"
    if isinstance(weight, int):
        return f"{weight + _SIGN:016x}"
    return weight + _END
