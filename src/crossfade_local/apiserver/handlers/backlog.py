"""The changes that one watcher has yet to be sent. A client that does not read must not fill the server's memory."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from crossfade_local.apiserver.state.storage import Event

# As many changes as the storage remembers of a resource: a client that lags further has to list again anyway.
MOST_EVENTS: Final = 4_000
MOST_BYTES: Final = 16 * 1024 * 1024


class Backlog:
    """Bounded in events and in bytes of their objects. Over a bound it is emptied for good and `overflowed` called."""

    def __init__(
        self, overflowed: Callable[[], None], *, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES
    ) -> None:
        self.has_overflowed = False
        self._overflowed = overflowed
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._events: deque[Event] = deque()
        self._size_bytes = 0
        self._arrived = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """The watcher has been sent everything."""
        return not self._events and not self.has_overflowed

    def put(self, event: Event) -> None:
        if self.has_overflowed:
            return
        self._events.append(event)
        self._size_bytes += len(event.after.raw)
        self._arrived.set()
        if len(self._events) > self._most_events or self._size_bytes > self._most_bytes:
            self._events.clear()
            self.has_overflowed = True
            self._overflowed()

    async def arrived(self) -> None:
        """Returns when there is something to take, or never will be again."""
        await self._arrived.wait()

    def take(self) -> list[Event]:
        events = list(self._events)
        self._events.clear()
        self._size_bytes = 0
        if not self.has_overflowed:
            self._arrived.clear()
        return events
