"""Numbers that a process keeps of its own work: cheap to add to, read by who shows them."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Final

_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Durations:
    """In seconds."""

    def __init__(self) -> None:
        self.sum_s = 0.0
        self._counts = [0] * (len(_BOUNDS) + 1)

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_BOUNDS, seconds)] += 1
        self.sum_s += seconds

    @property
    def buckets(self) -> Iterator[tuple[str, int]]:
        """Upper bound as text, and how many were not above it; the last is `+Inf`."""
        seen = 0
        for bound, count in zip([*map(str, _BOUNDS), "+Inf"], self._counts, strict=True):
            seen += count
            yield bound, seen


class WatchTally:
    """Of one kind. `restarts` by what ended a watch: `expired`, `timeout` or `error`."""

    def __init__(self) -> None:
        self.events = 0
        self.restarts: Counter[str] = Counter()
        self.is_connected = False
        self.last_event_s = 0.0
        """Unix time; 0 before the first."""
