"""Kubernetes quantities (`500m`, `1Gi`, `1e3`): parsing, comparing, and the canonical spelling the API stores."""

import re
from fractions import Fraction
from math import ceil
from typing import Any, Final

_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
# Kubernetes takes a suffix, a sign or a point alone for nothing of it.
_FORM: Final = re.compile(r"(?=.)([+-]?)(\d*)\.?(\d*)([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE]?)")
_KNOWN_LETTERS: Final = re.compile(r"[+-]?\d*\.?\d*[eEinumkKMGTP]+[-+]?\d*")
_BAD_FORM: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_BAD_SUFFIX: Final = "unable to parse quantity's suffix"
_SMALLEST: Final = Fraction(1, 10**9)
_MOST_DIGITS: Final = 1_000


class QuantityError(ValueError):
    """Not a quantity."""


def parse(value: Any) -> Fraction:
    """The amount. Numbers are taken as decimal text. Raises QuantityError."""
    return _split(value)[0]


def canonical(value: Any) -> str:
    """The shortest spelling without a fraction, in the same family of suffixes."""
    amount, suffix = _split(value)
    if amount and abs(amount) < _SMALLEST:
        amount = _SMALLEST if amount > 0 else -_SMALLEST
    if suffix in _BINARY and (amount == 0 or abs(amount) >= 1024 or amount.denominator == 1):
        return _binary(ceil(amount))
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return _exponent(amount)
    return _decimal(amount)


def _split(value: Any) -> tuple[Fraction, str]:
    text = repr(value) if isinstance(value, float) else str(value)
    found = _FORM.fullmatch(text)
    if not found or isinstance(value, bool):
        raise QuantityError(_BAD_SUFFIX if _KNOWN_LETTERS.fullmatch(text) else _BAD_FORM)
    sign, whole, part, suffix = found.groups()
    # Nothing of a quantity is larger or finer than that, and numbers of any length would take any time.
    whole = whole if len(whole.lstrip("0")) <= _MOST_DIGITS else "1" + "0" * _MOST_DIGITS
    amount = Fraction(f"{sign}{whole[-_MOST_DIGITS - 1 :] or 0}.{part[:_MOST_DIGITS] or 0}")
    if suffix in _BINARY:
        return amount * 2 ** _BINARY[suffix], suffix
    power = _DECIMAL[suffix] if suffix in _DECIMAL else _exponent_of(suffix)
    return amount * Fraction(10) ** power, suffix


def _exponent_of(suffix: str) -> int:
    digits = suffix[1:].lstrip("+-").lstrip("0")
    size = int(digits or 0) if len(digits) < len(str(_MOST_DIGITS)) else _MOST_DIGITS
    return -size if suffix[1] == "-" else size


def _binary(amount: int) -> str:
    suffix = ""
    for name, bits in _BINARY.items():
        if amount == 0 or amount % 2**bits:
            break
        suffix = name
    return f"{amount // 2 ** _BINARY[suffix]}{suffix}" if suffix else str(amount)


def _decimal(amount: Fraction) -> str:
    for suffix, power in sorted(_DECIMAL.items(), key=lambda item: -item[1]):
        scaled = amount / Fraction(10) ** power
        if scaled.denominator == 1 and (amount or not suffix):
            return f"{scaled.numerator}{suffix}"
    return f"{ceil(amount / _SMALLEST)}n"


def _exponent(amount: Fraction) -> str:
    for power in (18, 15, 12, 9, 6, 3, 0, -3, -6, -9):
        scaled = amount / Fraction(10) ** power
        if scaled.denominator == 1 and (amount or not power):
            return f"{scaled.numerator}e{power}" if power else str(scaled.numerator)
    return f"{ceil(amount / _SMALLEST)}e-9"
