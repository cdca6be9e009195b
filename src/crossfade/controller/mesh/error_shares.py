"""Of requests in a mesh, which share fails at each node: what callers' proxies report while a fault lasts."""

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from crossfade.compile.model import ReachedNode
from crossfade.xds.load_reports import Load

WINDOW_S: Final = 10
LEAST_REQUESTS: Final = 20
"""In that time: fewer say nothing of a share."""


class Spread(NamedTuple):
    """`percent` of the requests to the node fail."""

    node: ReachedNode
    percent: int


class ErrorShares:
    """Has no clock. Of each node a second's sums are kept, for `WINDOW_S`."""

    def __init__(self) -> None:
        self._seconds: dict[str, dict[ReachedNode, deque[tuple[int, int, int]]]] = {}

    def note(self, mesh: str, node: ReachedNode, load: Load, now_s: float) -> None:
        seconds = self._seconds.setdefault(mesh, {}).setdefault(node, deque())
        second, succeeded, failed = int(now_s), load.succeeded, load.failed
        if seconds and seconds[-1][0] >= second:
            second, *before = seconds.pop()
            succeeded, failed = succeeded + before[0], failed + before[1]
        seconds.append((second, succeeded, failed))
        while seconds[0][0] <= second - WINDOW_S:
            seconds.popleft()

    def worst(self, mesh: str, since_s: float, now_s: float) -> Spread | None:
        """Of what was noted since then, and in the last `WINDOW_S`."""
        first = max(since_s, now_s - WINDOW_S)
        found = (
            _spread(node, [one for one in seconds if one[0] >= first])
            for node, seconds in self._seconds.get(mesh, {}).items()
        )
        return max(
            (one for one in found if one is not None), key=lambda one: (one.percent, one.node.name), default=None
        )

    def keep_only(self, meshes: Iterable[str]) -> None:
        """Forgets all others."""
        for gone in self._seconds.keys() - set(meshes):
            del self._seconds[gone]


def _spread(node: ReachedNode, seconds: list[tuple[int, int, int]]) -> Spread | None:
    failed, succeeded = (sum(one[place] for one in seconds) for place in (2, 1))
    number = failed + succeeded
    return Spread(node, 100 * failed // number) if number >= LEAST_REQUESTS else None
