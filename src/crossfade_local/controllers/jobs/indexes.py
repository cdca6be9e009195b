"""Sets of completion indexes, as Jobs note them: `0,2-4`. Cost grows with the number of gaps, not of indexes."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_PART = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10}))?")


class Indexes(NamedTuple):
    """Spans with both ends, in order, without touching each other."""

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str, *, below: int) -> "Indexes":
        """What is no index below `below` is left out."""
        spans = []
        for part in text.split(","):
            if found := _PART.fullmatch(part):
                low = int(found[1])
                high = min(int(found[2] or low), below - 1)
                if low <= high:
                    spans.append((low, high))
        return cls(_merged(spans))

    def with_more(self, indexes: Iterable[int]) -> "Indexes":
        return Indexes(_merged([*self.spans, *((index, index) for index in indexes)]))

    def union(self, other: "Indexes") -> "Indexes":
        return Indexes(_merged([*self.spans, *other.spans]))

    def size(self) -> int:
        return sum(high - low + 1 for low, high in self.spans)

    def common(self, other: "Indexes") -> int:
        """How many are in both."""
        return self.size() + other.size() - self.union(other).size()

    def has(self, index: int) -> bool:
        return any(low <= index <= high for low, high in self.spans)

    def missing(self, below: int) -> Iterator[int]:
        """The others, from 0 on."""
        start = 0
        for low, high in self.spans:
            yield from range(start, min(low, below))
            start = high + 1
        yield from range(start, below)

    def __str__(self) -> str:
        return ",".join(_text(low, high) for low, high in self.spans)


def _text(low: int, high: int) -> str:
    """Two neighbours are written one by one."""
    if low == high:
        return str(low)
    return f"{low},{high}" if high == low + 1 else f"{low}-{high}"


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)
