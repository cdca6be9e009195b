"""Kubernetes' quantities, and numbers and texts in their place where its functions take them."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final

from crossfade_local import quantity
from crossfade_local.apiserver.crd.cel_library import versions
from crossfade_local.apiserver.crd.cel_library.values import content_of, kind_of, made, text

_KIND: Final = "quantity"
_LARGEST: Final = 2**63 - 1
_SMALLEST: Final = Fraction(1, 10**9)


def _made(amount: Fraction) -> dict[str, Any]:
    return made(_KIND, f"{amount.numerator}/{amount.denominator}")


def _parsed(value: Any) -> Fraction:
    """No finer than a billionth: the rest is rounded away from zero."""
    amount = quantity.parse(text(value))
    billionths = amount / _SMALLEST
    return (ceil(billionths) if amount > 0 else floor(billionths)) * _SMALLEST


def _quantity(value: Any) -> dict[str, Any]:
    return _made(_parsed(value))


def _is_quantity(value: Any) -> bool:
    try:
        _parsed(value)
    except ValueError:
        return False
    return True


def _amount(value: Any) -> Fraction:
    return Fraction(content_of(_KIND, value))


def _operand(value: Any) -> Fraction:
    return Fraction(value) if isinstance(value, int) and not isinstance(value, bool) else _amount(value)


def _is_integer(value: Any) -> bool:
    amount = _amount(value)
    return amount.denominator == 1 and -_LARGEST - 1 <= amount <= _LARGEST


def _as_integer(value: Any) -> int:
    if not _is_integer(value):
        raise ValueError("cannot convert value to integer")
    return int(_amount(value))


def _compared(decide: Callable[[int], Any], name: str) -> Callable[[Any, Any], Any]:
    """Also of versions: the two share the names of their functions."""

    def found(left: Any, right: Any) -> Any:
        if kind_of(left) == versions.KIND:
            return decide(versions.compare(left, right))
        difference = _amount(left) - _amount(right)
        return decide((difference > 0) - (difference < 0))

    found.__name__ = name
    return found


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "quantity": _quantity,
    "isQuantity": _is_quantity,
    "isInteger": _is_integer,
    "asInteger": _as_integer,
    "asApproximateFloat": lambda value: float(_amount(value)),
    "sign": lambda value: (_amount(value) > 0) - (_amount(value) < 0),
    "add": lambda left, right: _made(_amount(left) + _operand(right)),
    "sub": lambda left, right: _made(_amount(left) - _operand(right)),
    "isLessThan": _compared(lambda order: order < 0, "isLessThan"),
    "isGreaterThan": _compared(lambda order: order > 0, "isGreaterThan"),
    "compareTo": _compared(lambda order: order, "compareTo"),
}
