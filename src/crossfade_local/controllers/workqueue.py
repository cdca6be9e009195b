"""A queue of keys: each key waits at most once, and is never worked on twice at the same time.

What arrives for a key while it is being worked on makes it due again afterwards.
"""

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_RETRY_S: Final = 0.005
MAX_RETRY_S: Final = 30.0


class WorkQueue(Generic[K]):
    """Delays are kept by the event loop's timers: nothing polls."""

    def __init__(self) -> None:
        self._due: deque[K] = deque()
        self._waiting: set[K] = set()
        self._busy: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def add(self, key: K) -> None:
        """Due now."""
        if key in self._busy:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._due.append(key)
            self._wake.set()

    def add_after(self, key: K, delay_s: float) -> None:
        """Due later; of several delays for a key the earliest counts."""
        loop = asyncio.get_running_loop()
        due_at = loop.time() + max(delay_s, 0.0)
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due_at:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due_at, self._ring, key)

    def retry(self, key: K) -> None:
        """Due after a delay that doubles with every failure since the last success."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(FIRST_RETRY_S * 2 ** min(failures, 20), MAX_RETRY_S))

    def succeed(self, key: K) -> None:
        """The next failure starts with the shortest delay again."""
        self._failures.pop(key, None)

    def forget(self, key: K) -> None:
        """What it stands for is gone: it is not due later either."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    async def take(self) -> K:
        """The next key; `done` must follow."""
        while not self._due:
            self._wake.clear()
            await self._wake.wait()
        key = self._due.popleft()
        self._waiting.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: K) -> None:
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _ring(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
