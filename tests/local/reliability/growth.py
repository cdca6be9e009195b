"""Whether what is sampled over and over grows: memory, descriptors, files. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

MIB: Final = 1024 * 1024


class Allowance(NamedTuple):
    """How much more the last third of the samples may have than the first, by their medians."""

    much: float
    share: float = 0.0
    """Of the first third, where that is more."""


# Allocators keep what they got; sockets and threads come and go between two samples.
ALLOWED: Final[Mapping[str, Allowance]] = {
    "memory": Allowance(2 * MIB, 0.04),
    "descriptors": Allowance(3),
    "threads": Allowance(3),
    "files": Allowance(2),
    "database": Allowance(0.25 * MIB, 0.05),
}
_NOTHING: Final = Allowance(0)


class Growth(NamedTuple):
    before: float
    after: float
    allowed: float

    @property
    def is_too_much(self) -> bool:
        return self.after - self.before > self.allowed


def growth(kind: str, samples: Sequence[float]) -> Growth:
    """Of at least three samples, taken at even distances after what only comes once has come."""
    third = len(samples) // 3
    before, after = statistics.median(samples[:third]), statistics.median(samples[-third:])
    allowance = ALLOWED.get(kind, _NOTHING)
    return Growth(before, after, max(allowance.much, allowance.share * before))
