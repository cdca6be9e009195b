"""Statuses that somebody else writes as well, and otherwise: each of our answers comes later than the one before.

Two controllers with the same class in different namespaces would else write against each other for ever.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from crossfade.status.change import ObjectChange
from crossfade_kube.meta import JsonObject, ObjectRef

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 300.0
# What was overwritten once in so long a time was no contest, but somebody's `kubectl replace`.
PEACE_S: Final = 600.0
_CERTAIN: Final = 5
REMEMBERED: Final = 20_000
_TIMES: Final = frozenset({"lastTransitionTime"})


class _Written(NamedTuple):
    patch: Any
    at: float
    times: int


class Contests:
    """Remembers what was written last of each object, the latest 20 000 of them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written: OrderedDict[tuple[ObjectRef, str | None], _Written] = OrderedDict()

    def pause_s(self, change: ObjectChange) -> float:
        """How long to wait before writing it: 0 unless this very status was written before and did not stay."""
        before = self._written.get((change.ref, change.subresource))
        if before is None or before.patch != _lasting(change.patch) or self._clock() - before.at > PEACE_S:
            return 0.0
        return float(min(FIRST_PAUSE_S * 2 ** min(before.times - 2, 10), LONGEST_PAUSE_S)) if before.times > 1 else 0.0

    def note(self, change: ObjectChange) -> bool:
        """It was written now. Whether it is certain by this that somebody undoes it.

        Twice our own words may only not have come back yet; for the last two times they had seconds.
        """
        key, patch, now = (change.ref, change.subresource), _lasting(change.patch), self._clock()
        before = self._written.get(key)
        is_again = before is not None and before.patch == patch and now - before.at <= PEACE_S
        times = before.times + 1 if before is not None and is_again else 1
        self._written[key] = _Written(patch, now, times)
        self._written.move_to_end(key)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        return times == _CERTAIN


def _lasting(value: JsonObject | Any) -> Any:
    """Without times, which differ with each decision."""
    if isinstance(value, dict):
        return {name: _lasting(part) for name, part in value.items() if name not in _TIMES}
    return [_lasting(part) for part in value] if isinstance(value, list | tuple) else value
