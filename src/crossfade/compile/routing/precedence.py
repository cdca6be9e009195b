"""Ranks: an order of precedence as text, so that the policy module needs to know none.

A source of routes says with a tuple what decides first, second and so on; smaller comes first, as when tuples are
compared. Texts of equal length compare like the numbers that they stand for, and UTF-8 compares like its characters.
"""

from typing import Final, TypeAlias

_SIGN: Final = 1 << 63
_END: Final = "\x00"

Weight: TypeAlias = bool | int | str
"""Numbers of 64 bits; texts without NUL, which ends one."""


def rank(*weights: Weight) -> str:
    """Compares, byte by byte as UTF-8, like the tuple of the weights; tuples of one source have the same types."""
    return "".join(map(_text, weights))


def _text(weight: Weight) -> str:
    if isinstance(weight, bool):
        return "1" if weight else "0"
    if isinstance(weight, int):
        return f"{weight + _SIGN:016x}"
    return weight + _END
