"""All objects in memory, every write in SQLite before it is acknowledged, and the recent past for watches.

Writes of one turn of the event loop share one commit. Objects that were handed out are shared: nobody may change them.
"""

import asyncio
import bisect
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.database import Database

Key = tuple[str, str]

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one object, in its stored form."""

    key: Key
    """(namespace, name); the namespace is empty for cluster-scoped kinds."""
    revision: int
    object: JsonObject
    raw: bytes

    def copy(self) -> JsonObject:
        """A private copy that may be changed."""
        result: JsonObject = orjson.loads(self.raw)
        return result


@dataclass(slots=True)
class Event:
    """One change: `after` is the object as it now is (or last was, with the revision of its end)."""

    type: str
    revision: int
    before: Stored | None
    after: Stored
    encoded: dict[Any, bytes] = field(default_factory=dict)
    """Bytes made from this event so far, by form, shared by all watchers."""


class Conflict(Exception):  # noqa: N818 - it is an outcome, not a fault
    """The object is not the one (or not in the state) that the caller had read; `current` is what is there."""

    def __init__(self, current: Stored | None) -> None:
        super().__init__("conflict")
        self.current = current


class Expired(Exception):  # noqa: N818 - it is an outcome, not a fault
    """The revision lies before what is remembered."""

    def __init__(self, wanted: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {wanted} ({oldest})")
        self.wanted = wanted
        self.oldest = oldest


class BrokenError(Exception):
    """The database refused a write; from then on nothing is written until the server is started again."""


class _Bucket:
    """The objects of one resource, sorted by key, and their recent changes."""

    def __init__(self) -> None:
        self.objects: dict[Key, Stored] = {}
        self.keys: list[Key] = []
        self.events: deque[Event] = deque()
        self.listeners: list[Callable[[Event], None]] = []

    def put(self, stored: Stored) -> None:
        if stored.key not in self.objects:
            bisect.insort(self.keys, stored.key)
        self.objects[stored.key] = stored

    def remove(self, key: Key) -> None:
        del self.objects[key]
        del self.keys[bisect.bisect_left(self.keys, key)]


class Storage:
    """The state of the cluster. All methods are called from one event loop."""

    def __init__(self, database: Database, *, history: int = 4_000) -> None:
        """`history` is the number of changes per resource that watches and old lists can go back to."""
        self._database: Final = database
        self._history: Final = history
        self._buckets: dict[str, _Bucket] = {}
        self.revision = database.revision
        """Of the newest write."""
        self._oldest = self.revision
        self._pending: list[tuple[str, Stored | None, Key]] = []
        self._events: list[tuple[_Bucket, Event]] = []
        self._flushed: asyncio.Future[None] | None = None
        self._broken: Exception | None = None
        self._listeners: list[Callable[[str, Event], None]] = []
        for bucket, namespace, name, revision, raw in database.load():
            self._bucket(bucket).put(Stored((namespace, name), revision, orjson.loads(raw), raw))

    # -- reading -------------------------------------------------------------------------------------------------

    def get(self, bucket: str, namespace: str, name: str) -> Stored | None:
        return self._bucket(bucket).objects.get((namespace, name))

    def scan(self, bucket: str, namespace: str | None = None, *, after: Key | None = None) -> Iterator[Stored]:
        """Objects in order of their key, of one namespace or (None) of all, behind the key `after`."""
        place = self._bucket(bucket)
        start = 0
        if namespace is not None:
            start = bisect.bisect_left(place.keys, (namespace, ""))
        if after is not None:
            start = max(start, bisect.bisect_right(place.keys, after))
        for key in place.keys[start:]:
            if namespace is not None and key[0] != namespace:
                return
            yield place.objects[key]

    def list_at(self, bucket: str, namespace: str | None, revision: int) -> list[Stored]:
        """The objects as they were at a past revision; raises Expired."""
        place = self._bucket(bucket)
        self._check_age(place, revision)
        past = dict(place.objects)
        for event in reversed(place.events):
            if event.revision <= revision:
                break
            if event.before is None:
                past.pop(event.after.key, None)
            else:
                past[event.after.key] = event.before
        return [past[key] for key in sorted(past) if namespace is None or key[0] == namespace]

    def count(self, bucket: str) -> int:
        return len(self._bucket(bucket).objects)

    def buckets(self) -> list[str]:
        return [name for name, place in self._buckets.items() if place.objects]

    def events_since(self, bucket: str, revision: int) -> list[Event]:
        """Changes after a revision; raises Expired if some of them are forgotten."""
        place = self._bucket(bucket)
        self._check_age(place, revision)
        found: list[Event] = []
        for event in reversed(place.events):
            if event.revision <= revision:
                break
            found.append(event)
        found.reverse()
        return found

    def _check_age(self, place: _Bucket, revision: int) -> None:
        oldest = self._oldest
        if len(place.events) >= self._history:
            oldest = max(oldest, place.events[0].revision)
        if revision < oldest:
            raise Expired(revision, oldest)

    def forget_before(self, revision: int) -> None:
        """Drop the memory of changes up to a revision, as etcd's compaction does."""
        self._oldest = max(self._oldest, min(revision, self.revision))
        for place in self._buckets.values():
            while place.events and place.events[0].revision <= self._oldest:
                place.events.popleft()

    # -- listening -----------------------------------------------------------------------------------------------

    def listen(self, bucket: str, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each committed change of a bucket, until the returned function is called."""
        listeners = self._bucket(bucket).listeners
        listeners.append(listener)
        return lambda: listeners.remove(listener) if listener in listeners else None

    def on_change(self, listener: Callable[[str, Event], None]) -> None:
        """Call `listener` with bucket and change, for every change, at once (before the commit)."""
        self._listeners.append(listener)

    # -- writing -------------------------------------------------------------------------------------------------

    async def create(self, bucket: str, namespace: str, name: str, obj: JsonObject) -> Stored:
        """Store a new object; raises Conflict if the name is taken."""
        current = self.get(bucket, namespace, name)
        if current is not None:
            raise Conflict(current)
        stored = self._write(bucket, (namespace, name), obj, None)
        await self.committed()
        return stored

    async def update(self, bucket: str, before: Stored, obj: JsonObject) -> Stored:
        """Replace the version that was read; raises Conflict if it is no longer the current one."""
        current = self._bucket(bucket).objects.get(before.key)
        if current is None or current.revision != before.revision:
            raise Conflict(current)
        stored = self._write(bucket, before.key, obj, current)
        await self.committed()
        return stored

    async def delete(self, bucket: str, before: Stored, last: JsonObject | None = None) -> Stored:
        """Remove the version that was read; raises Conflict. Returns the last state, with the revision of its end."""
        place = self._bucket(bucket)
        current = place.objects.get(before.key)
        if current is None or current.revision != before.revision:
            raise Conflict(current)
        self.revision += 1
        final = _stored(before.key, self.revision, last if last is not None else current.copy())
        place.remove(before.key)
        self._remember(bucket, place, Event(DELETED, self.revision, current, final))
        self._pending.append((bucket, None, before.key))
        await self.committed()
        return final

    def _write(self, bucket: str, key: Key, obj: JsonObject, before: Stored | None) -> Stored:
        place = self._bucket(bucket)
        self.revision += 1
        stored = _stored(key, self.revision, obj)
        place.put(stored)
        self._remember(bucket, place, Event(MODIFIED if before else ADDED, self.revision, before, stored))
        self._pending.append((bucket, stored, key))
        return stored

    def _remember(self, bucket: str, place: _Bucket, event: Event) -> None:
        place.events.append(event)
        if len(place.events) > self._history:
            place.events.popleft()
        self._events.append((place, event))
        for listener in self._listeners:
            listener(bucket, event)

    def _bucket(self, name: str) -> _Bucket:
        found = self._buckets.get(name)
        if found is None:
            found = self._buckets[name] = _Bucket()
        return found

    # -- committing ----------------------------------------------------------------------------------------------

    async def committed(self) -> None:
        """Wait until everything written so far is in the database; raises BrokenError."""
        if self._broken is not None:
            raise BrokenError(f"the state can't be written any more: {self._broken}")
        if self._flushed is None:
            loop = asyncio.get_running_loop()
            self._flushed = loop.create_future()
            loop.call_soon(self._flush)
        await asyncio.shield(self._flushed)

    def _flush(self) -> None:
        flushed, self._flushed = self._flushed, None
        pending, self._pending = self._pending, []
        events, self._events = self._events, []
        try:
            self._database.write(self.revision, _changes(pending))
        except sqlite3.Error as error:
            # Memory is ahead of the disk now: no write may be acknowledged any more, and no watcher may see it.
            self._broken = error
            if flushed is not None and not flushed.done():
                flushed.set_exception(BrokenError(f"the state can't be written: {error}"))
            return
        for place, event in events:
            for listener in tuple(place.listeners):
                listener(event)
        if flushed is not None and not flushed.done():
            flushed.set_result(None)

    def close(self) -> None:
        if self._pending and self._broken is None:
            self._flush()
        self._database.close()


def _changes(
    pending: Iterable[tuple[str, Stored | None, Key]],
) -> dict[tuple[str, str, str], tuple[int, bytes] | None]:
    """Only the last write of each object within one commit matters."""
    return {(bucket, *key): (stored.revision, stored.raw) if stored else None for bucket, stored, key in pending}


def _stored(key: Key, revision: int, obj: JsonObject) -> Stored:
    obj["metadata"]["resourceVersion"] = str(revision)
    return Stored(key, revision, obj, orjson.dumps(obj))
