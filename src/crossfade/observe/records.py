"""Where records arrive: they are kept for a while, and shown to those who watch.

All of it is beside the requests: a proxy drops what is not taken in time. What arrives is bounded in bytes a second, so
that a proxy gone wild costs the control plane little.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from crossfade.envoy.telemetry.received import logs_in
from crossfade.observe.record import Complete, Record, Wanted, record_from, whole_trace
from crossfade.observe.ring import Kept, Ring

MOST_BYTES_A_SECOND: Final = 4 << 20
MOST_WATCHERS: Final = 8
MOST_OF_ONE: Final = 4
MOST_FOUND: Final = 200
_MOST_WAITING: Final = 1000


class TooManyWatchers(Exception):  # noqa: N818 - says what is the matter, to people
    """Each costs the control plane something."""


class Watcher:
    """What one person watches. `left_out` are those that came faster than they were fetched or may be shown."""

    def __init__(self, wanted: Wanted, most_a_second: int, clock: Callable[[], float]) -> None:
        self._wanted = wanted
        self._most_a_second = most_a_second
        self._clock = clock
        self._second = 0
        self._in_second = 0
        self._waiting: asyncio.Queue[Record] = asyncio.Queue(_MOST_WAITING)
        self.seen = 0
        self.left_out = 0

    def offer(self, record: Record) -> None:
        if not self._wanted.is_within(record):
            return
        self.seen += 1
        if not self._wanted.takes(record):
            return
        if self._may_show():
            try:
                self._waiting.put_nowait(record)
            except asyncio.QueueFull:
                self.left_out += 1
        else:
            self.left_out += 1

    async def next(self) -> Record:
        return await self._waiting.get()

    def _may_show(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= self._most_a_second


class Records:
    """`node_of` gives a proxy's name by its key, `complete` what the configuration adds to a record."""

    def __init__(
        self,
        *,
        node_of: Callable[[str], str],
        complete: Complete = lambda record: record,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node_of = node_of
        self._complete = complete
        self._clock = clock
        self._second = 0
        self._bytes_in_second = 0
        self.ring = Ring(clock)
        self.dropped: Counter[str] = Counter()
        """By reason: `too-much`, `unreadable`."""
        self.taken = 0
        self._watchers: dict[Watcher, str] = {}

    def receive(self, proxy: str, request: bytes) -> None:
        """What `xds.records` calls."""
        if not self._has_room(len(request)):
            self.dropped["too-much"] += 1
            return
        try:
            for text in logs_in(request):
                self.taken += 1
                self.ring.add(proxy, text)
                if self._watchers:
                    self._show(self._read(proxy, text))
        except ValueError:
            self.dropped["unreadable"] += 1

    @contextmanager
    def watching(self, wanted: Wanted, most_a_second: int, *, asker: str = "") -> Iterator[Watcher]:
        """`asker` keeps no other from watching. Raises TooManyWatchers."""
        if len(self._watchers) >= MOST_WATCHERS:
            raise TooManyWatchers(f"{MOST_WATCHERS} are watching already")
        if asker and list(self._watchers.values()).count(asker) >= MOST_OF_ONE:
            raise TooManyWatchers(f"{asker} is watching {MOST_OF_ONE} times already")
        watcher = Watcher(wanted, most_a_second, self._clock)
        self._watchers[watcher] = asker
        try:
            yield watcher
        finally:
            del self._watchers[watcher]

    def with_any_of(self, ids: Sequence[str], namespace: str = "") -> list[Record]:
        """Those with one of these as an id of theirs, by when they began; the newest where they are very many."""
        wanted, found, asked = frozenset((*ids, *map(whole_trace, ids))), [], Wanted(namespace=namespace)
        for kept in self.ring.holding(wanted):
            record = self._readable(kept)
            if record is not None and record.ids & wanted and asked.is_within(record):
                found.append(record)
                if len(found) == MOST_FOUND:
                    break
        return sorted(found, key=lambda record: record.began_s)

    def _readable(self, kept: Kept) -> Record | None:
        try:
            return self._read(kept.proxy, kept.text)
        except ValueError:
            return None

    def _read(self, proxy: str, text: bytes) -> Record:
        return self._complete(record_from(text, self._node_of(proxy)))

    def _show(self, record: Record) -> None:
        for watcher in self._watchers:
            watcher.offer(record)

    def _has_room(self, size: int) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second, self._bytes_in_second = second, 0
        self._bytes_in_second += size
        return self._bytes_in_second <= MOST_BYTES_A_SECOND
