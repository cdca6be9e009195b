"""What a container may use of its node, in Kubernetes' quantities."""

import re
from fractions import Fraction
from typing import Final

from crossfade_kube.meta import JsonObject

_QUANTITY: Final = re.compile(
    r"(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,2})?", re.ASCII
)
_DECIMAL: Final = {"": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def quantity(text: str) -> Fraction:
    """Raises ValueError with what is allowed."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError("it must be a quantity like 100m, 0.5 or 64Mi")
    suffix = match[2] or ""
    if suffix in _BINARY:
        return Fraction(match[1]) * (1 << _BINARY[suffix])
    power = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return Fraction(f"{match[1]}e{power}")


def resources(*, requests: dict[str, str], limits: dict[str, str]) -> JsonObject:
    """By name of the resource; empty quantities are none."""
    given = {"requests": requests, "limits": limits}
    found = {key: {name: text for name, text in values.items() if text} for key, values in given.items()}
    return {key: values for key, values in found.items() if values}
