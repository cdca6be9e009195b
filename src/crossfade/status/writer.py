"""Writes decided changes to the API, the latest of each object, some at a time; failures are tried again.

What the server refuses because the object changed is dropped: the changed object leads to a new decision. Where a role
allows no patch an update takes its place; where it allows neither, that is told once for each kind, and news go on.
"""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from crossfade.status.change import News, ObjectChange
from crossfade.status.contests import Contests
from crossfade.status.held_warnings import HOLD_S, HeldWarnings
from crossfade_kube.backoff import Backoff
from crossfade_kube.client import MERGE, Client
from crossfade_kube.errors import Conflict, Forbidden, Invalid, KubeError, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.merge_patch import merge_patched
from crossfade_kube.meta import ObjectRef, Resource

log = logging.getLogger(__name__)

CONCURRENCY: Final = 8
RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 30.0
REMEMBERED: Final = 20_000

V = TypeVar("V")


class _Key(NamedTuple):
    ref: ObjectRef
    subresource: str | None


class StatusWriter:
    """`submit` notes changes, `run` writes them until cancelled."""

    def __init__(
        self,
        client: Client,
        events: EventRecorder,
        *,
        tally: Counter[tuple[str, str]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        hold_s: float = HOLD_S,
    ) -> None:
        """`tally` counts writes by kind and result: `written`, `outdated`, `refused`, `failed`."""
        self._tally: Counter[tuple[str, str]] = Counter() if tally is None else tally
        self._client = client
        self._events = events
        self._sleep = sleep
        self._wanted: dict[int, ObjectChange] = {}
        self._waiting: dict[_Key, ObjectChange] = {}
        self._failed: dict[_Key, ObjectChange] = {}
        self._held: dict[_Key, ObjectChange] = {}
        self._contests = Contests()
        self._written: OrderedDict[_Key, str] = OrderedDict()
        self._told: OrderedDict[_Key, tuple[News, ...]] = OrderedDict()
        self._warnings: HeldWarnings[_Key] = HeldWarnings(self._say, hold_s=hold_s)
        self._updated: set[Resource] = set()
        self._forbidden: set[Resource] = set()
        self._backoff = Backoff(RETRY_S, MAX_RETRY_S)
        self._arrived = asyncio.Event()
        self._has_failed = asyncio.Event()

    def submit(self, changes: Iterable[ObjectChange]) -> None:
        """All that is to be written as of now: what waits from earlier and is not among it is withdrawn.

        A change that is the very same as in the last call costs a look-up.
        """
        before, self._wanted = self._wanted, {id(change): change for change in changes}
        for known in (self._waiting, self._failed, self._held):
            for key in [key for key, change in known.items() if id(change) not in self._wanted]:
                del known[key]
        for identity, change in self._wanted.items():
            if identity not in before:
                self._await_turn(change)
        for key in self._warnings.withdraw_all_but(self._wanted):
            self._told.pop(key, None)
        if self._waiting:
            self._arrived.set()

    def _await_turn(self, change: ObjectChange) -> None:
        key = _Key(change.ref, change.subresource)
        self._warnings.still(key, change)
        # Our own write comes back as an event; until then the same decision is made again and again.
        is_done = self._told.get(key) == change.news if change.patch is None else self._written.get(key) == change.basis
        if is_done:
            return
        if pause_s := self._contests.pause_s(change) if change.patch is not None else 0.0:
            self._held[key] = change
            asyncio.get_running_loop().call_later(pause_s, self._let_go, key, change)
        else:
            self._waiting[key] = change

    def _let_go(self, key: _Key, change: ObjectChange) -> None:
        """Unless it was withdrawn meanwhile, or another took its place."""
        if self._held.get(key) is change:
            self._waiting[key] = self._held.pop(key)
            self._arrived.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._try_again(), name="retry statuses")
            for number in range(CONCURRENCY):
                tasks.create_task(self._work(), name=f"write statuses {number}")

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            if self._waiting:
                key = next(iter(self._waiting))
                await self._write(key, self._waiting.pop(key))
            else:
                self._arrived.clear()

    async def _try_again(self) -> None:
        while True:
            await self._has_failed.wait()
            self._has_failed.clear()
            await self._sleep(self._backoff.next_s())
            failed, self._failed = self._failed, {}
            self._waiting = {**failed, **self._waiting}
            self._arrived.set()

    async def _write(self, key: _Key, change: ObjectChange) -> None:
        """What goes wrong with one object stays with it."""
        try:
            if change.patch is not None:
                await self._patch(change)
                self._tally[change.ref.kind, "written"] += 1
                _remember(self._written, key, change.basis)
                if self._contests.note(change):
                    hint = "end the other controller, or give each gateway an ingress class of its own"
                    fields = {"object": change.ref, "effect": "we write it ever more seldom", "hint": hint}
                    log.warning("status.contested", extra={"fields": fields})
                self._backoff.reset()
            self._tell(key, change)
        except Forbidden as exc:
            self._note_refusal(change.resource, exc)
            _remember(self._written, key, change.basis)
            self._tell(key, change)
        except (Conflict, NotFound) as exc:
            self._tally[change.ref.kind, "outdated"] += 1
            log.debug("status.outdated", extra={"fields": {"object": change.ref, "reason": exc}})
        except KubeError as exc:
            self._tally[change.ref.kind, "refused" if isinstance(exc, Invalid) else "failed"] += 1
            if isinstance(exc, Invalid):
                _remember(self._written, key, change.basis)
                log.error("status.refused", extra={"fields": {"object": change.ref, "reason": exc}})
                return
            # What a role does not allow is told once, by the client.
            level = logging.DEBUG if isinstance(exc, Forbidden) else logging.WARNING
            log.log(level, "status.not_written", extra={"fields": {"object": change.ref, "reason": exc}})
            if id(change) in self._wanted and key not in self._waiting:
                self._failed[key] = change
                self._has_failed.set()
        except Exception as exc:
            log.error("status.failed", extra={"fields": {"object": change.ref}}, exc_info=exc)

    async def _patch(self, change: ObjectChange) -> None:
        if change.resource in self._updated:
            await self._update(change)
            return
        try:
            await self._client.patch(
                change.resource,
                change.ref.name,
                change.patch or {},
                namespace=change.ref.namespace or None,
                content_type=change.content_type,
                subresource=change.subresource,
                tells_denial=False,
            )
        except Forbidden:
            if change.content_type != MERGE:
                raise
            await self._update(change)
            self._updated.add(change.resource)
            fields = {"resource": change.resource.plural, "effect": "statuses are updated as a whole"}
            log.info("status.patch-forbidden", extra={"fields": fields})

    async def _update(self, change: ObjectChange) -> None:
        stored = await self._client.get(change.resource, change.ref.name, namespace=change.ref.namespace or None)
        changed = merge_patched(stored, change.patch or {})
        if changed != stored:
            await self._client.replace(change.resource, changed, subresource=change.subresource, tells_denial=False)

    def _note_refusal(self, resource: Resource, exc: Forbidden) -> None:
        if resource not in self._forbidden:
            self._forbidden.add(resource)
            effect = f"no status of {resource.plural} is written; allow it and restart the controller"
            log.warning("status.forbidden", extra={"fields": {"effect": effect, "reason": exc}})

    def _tell(self, key: _Key, change: ObjectChange) -> None:
        """The same news once, however often it is decided."""
        _remember(self._told, key, change.news)
        self._warnings.note(key, change)

    def _say(self, change: ObjectChange, news: News) -> None:
        tell = self._events.warning if news.is_warning else self._events.normal
        tell(change.ref, news.reason, news.message)


def _remember(memory: OrderedDict[_Key, V], key: _Key, value: V) -> None:
    """Deleted objects are not reported here, so the oldest entries have to go at some point."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
