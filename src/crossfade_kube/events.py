"""Writes core/v1 Events on objects: the same news again raises a count, too many at once are dropped.

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


class _Known(Struct):
    unique: int
    first_s: int
    said_s: float
    count: int


class _Bucket(Struct):
    tokens: float
    said_s: float


Entry = TypeVar("Entry", _Known, _Bucket)


class EventLedger:
    """Decides, without I/O, what to write for a piece of news.

    What it remembers is small whatever was said: news and objects by their digests.
    """

    def __init__(self, component: str, instance: str = "") -> None:
        self._component = component
        self._instance = instance or component
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._buckets: OrderedDict[bytes, _Bucket] = OrderedDict()

    def enter(self, news: News, *, now: datetime, unique: int) -> JsonObject | None:
        """The Event object to create (count 1) or to patch (count above 1); None: dropped, there were too many.

        `unique` goes into the name of a new Event.
        """
        now_s = now.timestamp()
        if not self._allows(news.ref, now_s):
            return None
        known = _remembered(self._known, news.digest, _Known(unique, int(now_s), now_s, 0), now_s)
        known.said_s = now_s
        known.count += 1
        return self._event(news, known, now)

    def forget(self, news: News) -> None:
        """The stored Event is gone (they live for an hour): start anew."""
        self._known.pop(news.digest, None)

    def _allows(self, ref: ObjectRef, now_s: float) -> bool:
        bucket = _remembered(self._buckets, _digest(*ref), _Bucket(BURST, now_s), now_s)
        bucket.tokens = min(BURST, bucket.tokens + max(0.0, now_s - bucket.said_s) / REFILL_S)
        bucket.said_s = now_s
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _event(self, news: News, known: _Known, now: datetime) -> JsonObject:
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
            "message": news.message,
            "type": news.type,
            "source": {"component": self._component},
            "reportingComponent": self._component,
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
        event = self._ledger.enter(news, now=self._now(), unique=time.time_ns())
        if event is None:
            return
        if event["count"] > 1:
            changed = {"count": event["count"], "lastTimestamp": event["lastTimestamp"]}
            name, namespace = event["metadata"]["name"], event["metadata"]["namespace"]
            try:
                await self._client.patch(EVENT, name, changed, namespace=namespace)
            except NotFound:
                self._ledger.forget(news)
                event = self._ledger.enter(news, now=self._now(), unique=time.time_ns())
            else:
                return
        if event is not None:
            await self._client.create(EVENT, event)
