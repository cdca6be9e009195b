"""Writes decided changes to the API, the latest per object, some at a time; failures are tried again.

What the server refuses because the object changed is dropped: the changed object leads to a new decision.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from crossfade.status.change import News, ObjectChange
from crossfade_kube.client import MERGE, Client
from crossfade_kube.errors import Conflict, Invalid, KubeError, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import ObjectRef

log = logging.getLogger(__name__)

CONCURRENCY: Final = 8
RETRY_S: Final = 1.0
REMEMBERED: Final = 20_000

V = TypeVar("V")


class _Key(NamedTuple):
    ref: ObjectRef
    subresource: str | None


class StatusWriter:
    """`submit` notes changes, `run` writes them until cancelled."""

    def __init__(
        self, client: Client, events: EventRecorder, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._client = client
        self._events = events
        self._sleep = sleep
        self._waiting: dict[_Key, ObjectChange] = {}
        self._decisions = 0
        self._written: OrderedDict[_Key, str] = OrderedDict()
        self._told: OrderedDict[_Key, tuple[News, ...]] = OrderedDict()
        self._arrived = asyncio.Event()

    def submit(self, changes: Iterable[ObjectChange]) -> None:
        """All that is to be written now, of two for one object the last; what waits from before is dropped."""
        self._waiting, self._decisions = {}, self._decisions + 1
        for change in changes:
            key = _Key(change.ref, change.subresource)
            # Our own write comes back as an event; until then the same decision is made again and again.
            if change.patch is not None and self._written.get(key) == change.basis:
                continue
            self._waiting[key] = change
        if self._waiting:
            self._arrived.set()

    async def run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch, self._waiting = self._waiting, {}
            limit = asyncio.Semaphore(CONCURRENCY)
            async with asyncio.TaskGroup() as tasks:
                for key, change in batch.items():
                    tasks.create_task(self._write(key, change, limit, self._decisions))
            if self._waiting and not self._arrived.is_set():
                await self._sleep(RETRY_S)
                self._arrived.set()

    async def _write(self, key: _Key, change: ObjectChange, limit: asyncio.Semaphore, decision: int) -> None:
        async with limit:
            try:
                if change.patch is not None:
                    await self._patch(change)
                    _remember(self._written, key, change.basis)
            except (Conflict, NotFound) as exc:
                log.debug("status.outdated", extra={"fields": {"object": change.ref, "reason": exc}})
                return
            except Invalid as exc:
                log.error("status.refused", extra={"fields": {"object": change.ref, "reason": exc}})
                return
            except KubeError as exc:
                log.warning("status.not_written", extra={"fields": {"object": change.ref, "reason": exc}})
                if decision == self._decisions:
                    self._waiting[key] = change
                return
        self._tell(key, change)

    async def _patch(self, change: ObjectChange) -> None:
        await self._client.patch(
            change.resource,
            change.ref.name,
            change.patch or {},
            namespace=change.ref.namespace or None,
            content_type=MERGE,
            subresource=change.subresource,
        )

    def _tell(self, key: _Key, change: ObjectChange) -> None:
        """The same news once, however often it is decided."""
        if change.patch is None and self._told.get(key) == change.news:
            return
        _remember(self._told, key, change.news)
        for news in change.news:
            tell = self._events.warning if news.is_warning else self._events.normal
            tell(change.ref, news.reason, news.message)


def _remember(memory: OrderedDict[_Key, V], key: _Key, value: V) -> None:
    """Deleted objects are not reported here, so the oldest entries have to go at some point."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
