"""What literals of CEL stand for (cel-spec, langdef.md §string-and-bytes-values)."""

import re
from typing import Final

from crossfade_local.apiserver.crd.cel_types import types
from crossfade_local.apiserver.crd.cel_types.types import Type

Value = str | bytes | float | int | bool | None
_WORDS: Final[dict[str, tuple[Type, Value]]] = {
    "true": (types.BOOL, True),
    "false": (types.BOOL, False),
    "null": (types.NULL, None),
}
_MARKS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE: Final = re.compile(
    r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)
_LARGEST: Final = 2**63 - 1


def read(text: str) -> tuple[Type, Value]:
    """Raises ValueError for a number that is too large."""
    if text in _WORDS:
        return _WORDS[text]
    if text[-1] in "'\"":
        return _text(text)
    lowered = text.lower()
    if lowered.removeprefix("-").startswith("0x") or not set(".e") & set(lowered):
        return _whole(lowered)
    return types.DOUBLE, float(text)


def _whole(text: str) -> tuple[Type, Value]:
    digits = text.removesuffix("u")
    value = int(digits, 16 if "0x" in digits else 10)
    is_unsigned = digits != text
    if not (0 <= value < 2**64 if is_unsigned else -_LARGEST - 1 <= value <= _LARGEST):
        raise ValueError(text)
    return (types.UINT if is_unsigned else types.INT), value


def _text(text: str) -> tuple[Type, Value]:
    start = min(text.find(quote) for quote in "'\"" if quote in text)
    prefix, quoted = text[:start].lower(), text[start:]
    width = 3 if len(quoted) >= 6 and quoted[:3] in ("'''", '"""') else 1
    content = quoted[width:-width]
    if "r" not in prefix:
        content = _ESCAPE.sub(_unescaped, content)
    if "b" in prefix:
        return types.BYTES, content.encode(errors="replace")
    return types.STRING, content


def _unescaped(found: re.Match[str]) -> str:
    hexadecimal = found[1] or found[2] or found[3]
    if hexadecimal:
        point = int(hexadecimal, 16)
        return chr(point) if point <= 0x10FFFF else "\ufffd"
    return chr(int(found[4], 8)) if found[4] else _MARKS.get(found[5], found[5])
