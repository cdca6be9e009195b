"""From what was measured in each round to medians, ratios, and how far rounds differ."""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Ratio(NamedTuple):
    """To what ran in the same round. The middle half of rounds is between `low` and `high`."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        if f"{self.low:.2f}" == f"{self.high:.2f}":
            return f"{self.median:.2f}"
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


def ratio(rounds: Sequence[float], base: Sequence[float]) -> Ratio:
    found = [one / other for one, other in zip(rounds, base, strict=True)]
    if len(found) == 1:
        return Ratio(found[0], found[0], found[0])
    low, median, high = statistics.quantiles(found, n=4, method="inclusive")
    return Ratio(median, low, high)


def ratios(rounds: Mapping[str, Sequence[float]], base: str) -> dict[str, Ratio]:
    """By contestant; empty where what they are compared with was not measured."""
    if base not in rounds:
        return {}
    return {name: ratio(own, rounds[base]) for name, own in rounds.items()}


def percentile(values: Sequence[float], hundredth: int) -> float:
    """The smallest that so many of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * hundredth // 100) - 1)]
