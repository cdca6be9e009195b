"""From how much to how much: sizes and costs, in the numbers that Kubernetes has for them."""

from math import ceil
from typing import Final, NamedTuple

LARGEST: Final = 2**64 - 1
"""Also what is not known."""


class Range(NamedTuple):
    low: int
    high: int

    def plus(self, other: "Range") -> "Range":
        return Range(min(self.low + other.low, LARGEST), min(self.high + other.high, LARGEST))

    def times(self, other: "Range") -> "Range":
        return Range(min(self.low * other.low, LARGEST), min(self.high * other.high, LARGEST))

    def scaled(self, factor: float) -> "Range":
        return Range(_scaled(self.low, factor), _scaled(self.high, factor))

    def or_(self, other: "Range") -> "Range":
        """What covers both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


def exactly(number: int) -> Range:
    return Range(number, number)


UNKNOWN: Final = Range(0, LARGEST)
NOTHING: Final = Range(LARGEST, 0)
"""Covers with another what the other does."""


def total(ranges: list[Range]) -> Range:
    found = exactly(0)
    for one in ranges:
        found = found.plus(one)
    return found


def _scaled(number: int, factor: float) -> int:
    return min(ceil(float(number) * factor), LARGEST)
