"""All objects in memory, every write in SQLite before memory has it, and the recent past for watches.

Versions of the past are kept as bytes only, at most HISTORY_BYTES of a resource: whoever goes back further is told that
they have expired.

What SQLite refuses never happened: nobody can read it, no watcher hears of it, its revision is used again. The next
write tries anew. Objects that were handed out are shared: nobody may change them.
"""

import asyncio
import bisect
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.database import Change, Database
from crossfade_local.apiserver.state.format import UnusableStateError
from crossfade_local.apiserver.state.sizes import check_size
from crossfade_local.apiserver.values.kept_json import kept_json

log = logging.getLogger(__name__)

Key = tuple[str, str]

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"

HISTORY_BYTES: Final = 64 * 1024 * 1024
# Watchers and listeners read these within moments.
_FRESH: Final = 64


class Stored:
    """One version of one object, in its stored form."""

    __slots__ = ("_object", "key", "raw", "revision")

    def __init__(self, key: Key, revision: int, obj: JsonObject, raw: bytes) -> None:
        """The key is (namespace, name); the namespace is empty for cluster-scoped kinds."""
        self.key: Final = key
        self.revision: Final = revision
        self.raw: Final = raw
        self._object: JsonObject | None = obj

    @property
    def object(self) -> JsonObject:
        """Of a version of the past a copy, made anew each time."""
        return self.copy() if self._object is None else self._object

    def shrink(self) -> None:
        """Keeps the bytes only: a parsed object takes several times as much."""
        self._object = None

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

    @property
    def size(self) -> int:
        return len(self.after.raw)

    def shrink(self) -> None:
        self.encoded.clear()
        if self.before is not None:
            self.before.shrink()
        if self.type == DELETED:
            self.after.shrink()


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


class NotWritten(Exception):  # noqa: N818 - it is an outcome, not a fault of the caller
    """The database refused a write, so nothing changed; the text says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the cluster's state cannot be written: {problem}")


class Replacement(NamedTuple):
    """`obj` takes the place of the version that was read."""

    bucket: str
    before: Stored
    obj: JsonObject


class _Bucket:
    """The objects of one resource, sorted by key, and their recent changes."""

    def __init__(self) -> None:
        self.objects: dict[Key, Stored] = {}
        self.keys: list[Key] = []
        self.events: deque[Event] = deque()
        self.events_bytes = 0
        self.forgotten = 0
        """Revision of the newest change that is remembered no more."""
        self.listeners: list[Callable[[Event], None]] = []

    @property
    def is_used(self) -> bool:
        return bool(self.objects or self.events or self.listeners)

    def apply(self, event: Event) -> None:
        key = event.after.key
        if event.type == DELETED:
            del self.objects[key]
            del self.keys[bisect.bisect_left(self.keys, key)]
        else:
            self.put(event.after)

    def remember(self, event: Event, most: int) -> None:
        self.events.append(event)
        self.events_bytes += event.size
        if len(self.events) > _FRESH:
            self.events[-1 - _FRESH].shrink()
        while len(self.events) > most or (self.events_bytes > HISTORY_BYTES and len(self.events) > 1):
            self.forget()

    def forget(self) -> None:
        """The oldest change."""
        event = self.events.popleft()
        event.shrink()
        self.events_bytes -= event.size
        self.forgotten = event.revision

    def put(self, stored: Stored) -> None:
        if stored.key not in self.objects:
            bisect.insort(self.keys, stored.key)
        self.objects[stored.key] = stored


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
        self._refused = ""
        self._refused_bytes = 0
        self._listeners: list[Callable[[str, Event], None]] = []
        for bucket, namespace, name, revision, raw in database.load():
            try:
                self._bucket(bucket).put(Stored((namespace, name), revision, orjson.loads(raw), raw))
            except ValueError as error:
                problem = f"{bucket} {namespace}/{name} is damaged ({error}); put back a back-up"
                raise UnusableStateError(problem) from error

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
        oldest = max(self._oldest, place.forgotten)
        if revision < oldest:
            raise Expired(revision, oldest)

    def forget_before(self, revision: int) -> None:
        """Drop the memory of changes up to a revision, as etcd's compaction does."""
        self._oldest = max(self._oldest, min(revision, self.revision))
        for place in self._buckets.values():
            while place.events and place.events[0].revision <= self._oldest:
                place.forget()
        # Of a resource whose definition went, nothing stays.
        self._buckets = {name: place for name, place in self._buckets.items() if place.is_used}

    # -- listening -----------------------------------------------------------------------------------------------

    def listen(self, bucket: str, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each committed change of a bucket, until the returned function is called."""
        listeners = self._bucket(bucket).listeners
        listeners.append(listener)
        return lambda: listeners.remove(listener) if listener in listeners else None

    def on_change(self, listener: Callable[[str, Event], None]) -> None:
        """Call `listener` with bucket and change, for every change, before the writer goes on."""
        self._listeners.append(listener)

    # -- writing -------------------------------------------------------------------------------------------------

    async def create(self, bucket: str, namespace: str, name: str, obj: JsonObject) -> Stored:
        """Store a new object; raises Conflict if the name is taken, TooLarge, NotWritten."""
        current = self.get(bucket, namespace, name)
        if current is not None:
            raise Conflict(current)
        return await self._write(bucket, ADDED, None, self._fitting(bucket, (namespace, name), obj))

    async def update(self, bucket: str, before: Stored, obj: JsonObject) -> Stored:
        """Replace the version that was read; raises Conflict if it is not the current one, TooLarge, NotWritten."""
        current = self._current(bucket, before)
        return await self._write(bucket, MODIFIED, current, self._fitting(bucket, before.key, obj))

    async def update_all(self, replacements: Sequence[Replacement]) -> None:
        """All of them or none, each object once; raises Conflict, NotWritten."""
        events: list[tuple[str, Event]] = []
        changes: dict[tuple[str, str, str], Change] = {}
        for revision, (bucket, read, obj) in enumerate(replacements, self.revision + 1):
            current = self._current(bucket, read)
            after = _stored(read.key, revision, obj)
            events.append((bucket, Event(MODIFIED, revision, current, after)))
            changes[(bucket, *read.key)] = (revision, after.raw)
        if events:
            self._commit(self.revision + len(events), changes)
            for bucket, event in events:
                self._remember(bucket, event)
        await asyncio.sleep(0)

    async def delete(self, bucket: str, before: Stored, last: JsonObject | None = None) -> Stored:
        """Remove the version that was read; raises Conflict, NotWritten.

        Returns the last state, with the revision of its end.
        """
        current = self._current(bucket, before)
        final = _stored(before.key, self.revision + 1, last if last is not None else current.copy())
        return await self._write(bucket, DELETED, current, final)

    def check(self) -> str:
        """Why the last write was refused; empty if it was not, or if one of its size would not be now."""
        if self._refused:
            try:
                self._database.probe(self._refused_bytes)
            except sqlite3.Error as error:
                self._note(str(error))
            else:
                self._note("")
        return str(NotWritten(self._refused)) if self._refused else ""

    def close(self) -> None:
        self._database.close()

    def _current(self, bucket: str, before: Stored) -> Stored:
        current = self._bucket(bucket).objects.get(before.key)
        if current is None or current.revision != before.revision:
            raise Conflict(current)
        return current

    async def _write(self, bucket: str, kind: str, before: Stored | None, after: Stored) -> Stored:
        event = Event(kind, after.revision, before, after)
        change = None if kind == DELETED else (after.revision, after.raw)
        self._commit(after.revision, {(bucket, *after.key): change})
        self._remember(bucket, event)
        # Some callers write in long loops: the others get a turn.
        await asyncio.sleep(0)
        return after

    def _fitting(self, bucket: str, key: Key, obj: JsonObject) -> Stored:
        after = _stored(key, self.revision + 1, obj)
        check_size(bucket, obj, after.raw)
        return after

    def _commit(self, revision: int, changes: dict[tuple[str, str, str], Change]) -> None:
        try:
            self._database.write(revision, changes)
        except sqlite3.Error as error:
            self._refused_bytes = sum(len(change[1]) for change in changes.values() if change)
            self._note(str(error))
            raise NotWritten(str(error)) from error
        self._note("")
        self.revision = revision

    def _remember(self, bucket: str, event: Event) -> None:
        place = self._bucket(bucket)
        place.apply(event)
        place.remember(event, self._history)
        for hears in tuple(place.listeners):
            hears(event)
        for listener in self._listeners:
            listener(bucket, event)

    def _note(self, problem: str) -> None:
        """Logged when it changes, not with each attempt."""
        if problem == self._refused:
            return
        self._refused = problem
        if problem:
            log.error("state.not_written", extra={"fields": {"reason": problem}})
        else:
            log.info("state.written_again")

    def _bucket(self, name: str) -> _Bucket:
        found = self._buckets.get(name)
        if found is None:
            found = self._buckets[name] = _Bucket()
        return found


def _stored(key: Key, revision: int, obj: JsonObject) -> Stored:
    obj["metadata"]["resourceVersion"] = str(revision)
    return Stored(key, revision, obj, kept_json(obj))
