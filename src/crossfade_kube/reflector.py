"""Keeps a sink equal to what the server has of one resource: list, then watch, then list again where a watch cannot
continue.

Nothing is lost or repeated: a broken watch goes on from the last seen resourceVersion (bookmarks move it along in
quiet times), an expired one (410) is replaced by a fresh list, from which the sink derives what vanished meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from enum import Enum
from typing import Final, TypedDict

from crossfade_kube.backoff import Backoff
from crossfade_kube.client import Client
from crossfade_kube.errors import ApiUnreachable, Expired, Forbidden, KubeError, NotFound
from crossfade_kube.meta import Resource
from crossfade_kube.tally import WatchTally
from crossfade_kube.watch import ReadingSink, Sink, WatchEvent

log = logging.getLogger(__name__)

GONE_AFTER_S: Final = 20.0
# A role that is just being installed refuses for a moment too.
_MOST_REFUSALS = 3
_REFUSED_BACKOFF_S = (0.25, 60.0)


class WhenForbidden(Enum):
    """What becomes of a kind that this process may not list when it starts."""

    WAIT = "nothing is known until it may"
    EMPTY = "the kind has no objects until it may"
    GIVE_UP = "`run` raises Forbidden"


class _Selection(TypedDict):
    namespace: str | None
    label_selector: str | None
    field_selector: str | None


class Reflector:
    """One list-and-watch loop; `synced` is set once the sink has had its first full state.

    A kind that the server does not know (its CRD is not installed yet) counts as empty and is asked for again.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        sink: Sink,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        when_forbidden: WhenForbidden = WhenForbidden.WAIT,
        synced: asyncio.Event | None = None,
        max_backoff_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.synced = synced or asyncio.Event()
        self._when_forbidden = when_forbidden
        self._refusals = 0
        self._refused_backoff = Backoff(*_REFUSED_BACKOFF_S)
        self.resource = resource
        self.tally = WatchTally()
        self._client = client
        self._sink = sink
        self._selection: _Selection = {
            "namespace": namespace,
            "label_selector": label_selector,
            "field_selector": field_selector,
        }
        self._backoff = Backoff(0.05, max_backoff_s)
        self._sleep = sleep
        self._version = ""
        self._missed_since: float | None = None
        self._clock = clock
        self._reported = ""

    async def run(self) -> None:
        """Until cancelled; every failure, also one of the sink, is logged and tried again.

        Raises Forbidden where that is asked for.
        """
        while True:
            try:
                await self._list()
                await self._watch_on()
            except Expired:
                self.tally.restarts["expired"] += 1
                log.debug("kube.relist", extra={"fields": {"resource": self.resource.plural}})
            except NotFound:
                self._miss_kind()
                # Nothing can be missed of a kind that is not there.
                self.tally.is_connected = True
            except Forbidden as exc:
                self.tally.is_connected = False
                await self._note_refusal(exc)
            except KubeError as exc:
                self.tally.is_connected = False
                self._report("kube.list_failed", exc)
            except Exception as exc:
                self._report("kube.reflector_failed", exc, is_bug=True)
            await self._sleep(self._backoff.next_s())

    async def _note_refusal(self, exc: Forbidden) -> None:
        """What was readable once stays as it was then: a right that is taken away deletes nothing."""
        if self._when_forbidden is WhenForbidden.WAIT or self._version:
            self._report("kube.list_failed", exc)
            return
        self._refusals += 1
        if self._refusals == _MOST_REFUSALS:
            if self._when_forbidden is WhenForbidden.GIVE_UP:
                raise exc
            self._report("kube.forbidden", exc, effect="the kind counts as empty")
            self._sink.replace([])
            self.synced.set()
        # Nothing is missed of what is not to be read.
        self.tally.is_connected = self._refusals >= _MOST_REFUSALS
        await self._sleep(self._refused_backoff.next_s())

    def _miss_kind(self) -> None:
        """Where it was known before it is believed late: some servers, as they start, know no custom kinds yet.

        The objects of a definition that is deleted go one by one before it does.
        """
        now = self._clock()
        if self._missed_since is None:
            self._missed_since = now
            hint = "it is read as soon as its CustomResourceDefinition is there"
            fields = {"resource": f"{self.resource.plural}.{self.resource.group}", "hint": hint}
            if self.synced.is_set():
                log.warning("kube.kind_gone", extra={"fields": fields})
            else:
                log.info("kube.kind_not_installed", extra={"fields": fields})
        if not self.synced.is_set() or now - self._missed_since >= GONE_AFTER_S:
            self._sink.replace([])
            self.synced.set()

    async def _list(self) -> None:
        sink, selection = self._sink, self._selection
        if isinstance(sink, ReadingSink):
            read = await self._client.list_read(self.resource, sink.read, **selection)
            self._version = read.resource_version
            sink.replace_read(read.items)
        else:
            found = await self._client.list(self.resource, **selection)
            self._version = found.resource_version
            sink.replace(found.items)
        self.synced.set()
        self.tally.is_connected = True
        self._backoff.reset()
        self._missed_since = None
        self._reported = ""

    async def _watch_on(self) -> None:
        """One connection after the other; leaves by Expired, or by NotFound when the kind was removed."""
        while True:
            try:
                await self._watch_once()
            except (Expired, NotFound):
                raise
            except ApiUnreachable as exc:
                self.tally.restarts["timeout"] += 1
                # Servers and load balancers close connections as they like: going on at once is the normal case.
                log.debug("kube.watch_interrupted", extra={"fields": {"resource": self.resource.plural, "reason": exc}})
                await self._sleep(self._backoff.next_s())
            except KubeError as exc:
                self.tally.restarts["error"] += 1
                self.tally.is_connected = False
                self._report("kube.watch_failed", exc)
                await self._sleep(self._backoff.next_s())

    async def _watch_once(self) -> None:
        events = self._client.watch(
            self.resource,
            resource_version=self._version,
            **self._selection,
        )
        progressed = False
        async with aclosing(events):
            async for event in events:
                if event.type != "BOOKMARK":
                    self._apply(event)
                    self.tally.events += 1
                self.tally.last_event_s, self.tally.is_connected = time.time(), True
                self._version = event.object["metadata"]["resourceVersion"]
                if not progressed:
                    progressed = True
                    self._backoff.reset()
        if not progressed:
            # A server that ends empty watches at once must not be asked in a tight loop.
            await self._sleep(self._backoff.next_s())

    def _apply(self, event: WatchEvent) -> None:
        try:
            self._sink.apply(event)
        except Exception as exc:
            # One odd object must not end the watch for all others.
            fields = {"resource": self.resource.plural, "object": event.object["metadata"].get("name"), "reason": exc}
            log.error("kube.not_applied", extra={"fields": fields}, exc_info=exc)

    def _report(self, event: str, exc: Exception, *, is_bug: bool = False, effect: str = "") -> None:
        """Once for each problem, not for each attempt."""
        if self._reported != repr(exc):
            self._reported = repr(exc)
            fields = {"resource": self.resource.plural, "reason": exc, **({"effect": effect} if effect else {})}
            log.warning(event, extra={"fields": fields}, exc_info=exc if is_bug else None)
