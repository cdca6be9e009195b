"""Quantities as errors name them."""

from typing import Any

from crossfade_local.quantity import canonical


def shown(value: Any) -> str:
    """A null in a map of quantities is nothing of it, as in Go."""
    return canonical(value or 0)
