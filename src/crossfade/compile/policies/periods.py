"""Limits by calendar periods, which several plugins have (kong.md §5.2.1)."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

from crossfade.compile.policies.schema import Field

PERIODS: Final = ("second", "minute", "hour", "day", "month", "year")
LIMITS: Final = {period: Field("number", greater_than=0) for period in PERIODS}


def disorder(limits: Mapping[str, Any]) -> str | None:
    """A longer period may not let less through than a shorter one: says which does, in Kong's words."""
    for shorter, longer in combinations(PERIODS, 2):
        low, high = limits[shorter], limits[longer]
        if low is not None and high is not None and high < low:
            return f"limit for {longer}({high:.1f}) cannot be lower than the limit for {shorter}({low:.1f})"
    return None
