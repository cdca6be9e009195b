"""Writes core/v1 Events on objects: the same news again raises a count, many alike become one, too many are dropped.

Events inform people; losing one is no error, so nothing here raises or waits.
"""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeVar

from msgspec import Struct

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError, KubeError, NotFound
from crossfade_kube.meta import JsonObject, ObjectRef
from crossfade_kube.resources import EVENT

log = logging.getLogger(__name__)

# What Kubernetes' own recorder allows for one object: a burst, then one in five minutes.
BURST: Final = 25
REFILL_S: Final = 300.0
# Who hears the same news later than that gets a new Event. Kubernetes' recorder remembers by number alone.
REMEMBERED_S: Final = 600.0
REMEMBERED: Final = 4096
# So many messages of one object with one reason have Events of their own, as with Kubernetes' recorder.
APART: Final = 9
COMBINED: Final = "(combined from similar events): "
# Longer messages are refused by the server.
MAX_MESSAGE: Final = 1024
# What may wait while the server is slow or away; more is dropped.
WAITING: Final = 1000


class News(NamedTuple):
    """What happened to which object; equal news are counted, not repeated."""

    ref: ObjectRef
    type: str
    reason: str
    message: str

    @property
    def digest(self) -> bytes:
        return _digest(*self.ref, self.type, self.reason, self.message)

    @property
    def digest_of_similar(self) -> bytes:
        return _digest(*self.ref, self.type, self.reason)


class _Known(Struct):
    unique: int
    first_s: int
    said_s: float
    count: int


class _Bucket(Struct):
    tokens: float
    said_s: float


class _Similar(Struct):
    messages: set[bytes]
    """Digests of those with Events of their own."""
    said_s: float


Entry = TypeVar("Entry", _Known, _Bucket, _Similar)


class Entered(NamedTuple):
    """`event` is to be created (count 1) or patched (count above 1); `key` is what it is remembered by."""

    event: JsonObject
    key: bytes


class EventLedger:
    """Decides, without I/O, what to write for a piece of news.

    What it remembers is small whatever was said: news and objects by their digests.
    """

    def __init__(self, component: str, instance: str = "") -> None:
        self._component = component
        self._instance = instance or component
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._buckets: OrderedDict[bytes, _Bucket] = OrderedDict()
        self._similar: OrderedDict[bytes, _Similar] = OrderedDict()

    def enter(self, news: News, *, now: datetime, unique: int) -> Entered | None:
        """What to write; None: dropped, there were too many. `unique` goes into the name of a new Event."""
        now_s = now.timestamp()
        if not self._allows(news.ref, now_s):
            return None
        is_combined = self._is_one_of_many(news, now_s)
        key = news.digest_of_similar if is_combined else news.digest
        known = _remembered(self._known, key, _Known(unique, int(now_s), now_s, 0), now_s)
        known.said_s = now_s
        known.count += 1
        return Entered(self._event(news, known, now, is_combined=is_combined), key)

    def forget(self, key: bytes) -> None:
        """The stored Event is gone (they live for an hour): start anew."""
        self._known.pop(key, None)

    def _is_one_of_many(self, news: News, now_s: float) -> bool:
        similar = _remembered(self._similar, news.digest_of_similar, _Similar(set(), now_s), now_s)
        similar.said_s = now_s
        if news.digest in similar.messages:
            return False
        if len(similar.messages) >= APART:
            return True
        similar.messages.add(news.digest)
        return False

    def _allows(self, ref: ObjectRef, now_s: float) -> bool:
        bucket = _remembered(self._buckets, _digest(*ref), _Bucket(BURST, now_s), now_s)
        bucket.tokens = min(BURST, bucket.tokens + max(0.0, now_s - bucket.said_s) / REFILL_S)
        bucket.said_s = now_s
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _event(self, news: News, known: _Known, now: datetime, *, is_combined: bool) -> JsonObject:
        ref = news.ref
        involved = {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name}
        involved |= {"namespace": ref.namespace} if ref.namespace else {}
        involved |= {"uid": ref.uid} if ref.uid else {}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{ref.name}.{known.unique:x}", "namespace": ref.namespace or "default"},
            "involvedObject": involved,
            "reason": news.reason,
            "message": f"{COMBINED}{news.message}"[:MAX_MESSAGE] if is_combined else news.message,
            "type": news.type,
            "source": {"component": self._component},
            "reportingComponent": "" if is_combined else self._component,
            "reportingInstance": self._instance if self._instance != self._component else "",
            "firstTimestamp": _stamp(datetime.fromtimestamp(known.first_s, UTC)),
            "lastTimestamp": _stamp(now),
            "count": known.count,
        }


def _remembered(entries: OrderedDict[bytes, Entry], digest: bytes, new: Entry, now_s: float) -> Entry:
    """The entry of `digest`, `new` if there is none, as the latest; the oldest are forgotten."""
    while entries and next(iter(entries.values())).said_s < now_s - REMEMBERED_S:
        entries.popitem(last=False)
    entry = entries.setdefault(digest, new)
    entries.move_to_end(digest)
    if len(entries) > REMEMBERED:
        entries.popitem(last=False)
    return entry


def _digest(*words: str) -> bytes:
    return hashlib.blake2b("\0".join(words).encode(errors="surrogatepass"), digest_size=16).digest()


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class EventRecorder:
    """`normal` and `warning` only note; `run` writes, one after the other, until cancelled."""

    def __init__(
        self,
        client: Client,
        component: str,
        *,
        instance: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._ledger = EventLedger(component, instance)
        self._now = now
        self._waiting: asyncio.Queue[News] = asyncio.Queue(WAITING)
        self._dropped = 0

    def normal(self, ref: ObjectRef, reason: str, message: str) -> None:
        """`reason` in CamelCase, for machines; `message` a sentence, for people."""
        self._note(News(ref, "Normal", reason, message[:MAX_MESSAGE]))

    def warning(self, ref: ObjectRef, reason: str, message: str) -> None:
        self._note(News(ref, "Warning", reason, message[:MAX_MESSAGE]))

    def _note(self, news: News) -> None:
        try:
            self._waiting.put_nowait(news)
        except asyncio.QueueFull:
            # One line for a burst, not one for each Event of it.
            if not self._dropped:
                log.warning("events.dropping", extra={"fields": {"object": news.ref, "reason": news.reason}})
            self._dropped += 1

    async def run(self) -> None:
        while True:
            if self._dropped and self._waiting.empty():
                log.warning("events.dropped", extra={"fields": {"count": self._dropped}})
                self._dropped = 0
            news = await self._waiting.get()
            try:
                await self._write(news)
            except KubeError as exc:
                if isinstance(exc, ApiError) and exc.has_cause("NamespaceTerminating"):
                    continue
                log.warning("events.not_written", extra={"fields": {"object": news.ref, "reason": exc}})
            except Exception as exc:
                # A lost Event must not end what it tells about.
                log.error("events.failed", extra={"fields": {"object": news.ref}}, exc_info=exc)

    async def _write(self, news: News) -> None:
        entered = self._ledger.enter(news, now=self._now(), unique=time.time_ns())
        if entered is not None and entered.event["count"] > 1:
            if await self._update(entered.event):
                return
            self._ledger.forget(entered.key)
            entered = self._ledger.enter(news, now=self._now(), unique=time.time_ns())
        if entered is not None:
            await self._client.create(EVENT, entered.event)

    async def _update(self, event: JsonObject) -> bool:
        """False: it is not there any more."""
        changed = {key: event[key] for key in ("message", "count", "lastTimestamp")}
        try:
            await self._client.patch(
                EVENT, event["metadata"]["name"], changed, namespace=event["metadata"]["namespace"]
            )
        except NotFound:
            return False
        return True
