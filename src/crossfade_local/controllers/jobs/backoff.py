"""How long a Job waits after failures before it makes new pods; pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.jobs.pods import ended_at

FIRST_PAUSE_S: Final = 10.0
LONGEST_PAUSE_S: Final = 600.0


class Failures(NamedTuple):
    """Since the last success."""

    number: int = 0
    last: datetime | None = None

    def after(self, succeeded: Iterable[JsonObject], failed: Iterable[JsonObject]) -> "Failures":
        """With pods that have ended since."""
        successes = [end for end in map(ended_at, succeeded) if end is not None]
        ends = [end for end in map(ended_at, failed) if end is not None]
        if successes:
            ends = [end for end in ends if end > max(successes)]
            return Failures(len(ends), max(ends, default=None))
        return Failures(self.number + len(ends), max([*ends, *([self.last] if self.last else [])], default=None))

    def pause_s(self, now: datetime) -> float:
        """What is left of it: it doubles with each failure."""
        if not self.number or self.last is None:
            return 0.0
        pause_s: float = min(FIRST_PAUSE_S * 2 ** min(self.number - 1, 20), LONGEST_PAUSE_S)
        return max(0.0, pause_s - (now - self.last).total_seconds())
