"""Where the compilers' input comes from: the objects of a cluster as a stream of immutable snapshots.

Bursts of changes are gathered: a snapshot comes after a short quiet, or at the latest after a second of unrest.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import Final, NamedTuple

from crossfade.compile.diagnostics import UNREADABLE, Diagnostics
from crossfade.store.cache import Cache
from crossfade.store.snapshot import Snapshot
from crossfade_kube.client import Client
from crossfade_kube.core import EndpointSlice
from crossfade_kube.endpoints_fallback import EndpointsReflector
from crossfade_kube.logging import EventLog
from crossfade_kube.reflector import Reflector, WhenForbidden
from crossfade_kube.registry import TypedObject
from crossfade_kube.tally import WatchTally
from crossfade_kube.tasks import SupervisedTasks

QUIET_S: Final = 0.02
MAX_UNREST_S: Final = 1.0


class ClusterSource:
    """`run` keeps the cache current; iterate over the source to get snapshots, the first one when all is known."""

    def __init__(
        self,
        client: Client,
        kinds: Sequence[type[TypedObject]],
        *,
        log: EventLog,
        namespace: str | None = None,
        selectors: Mapping[type[TypedObject], str] = MappingProxyType({}),
        fields: Mapping[type[TypedObject], str] = MappingProxyType({}),
        on_demand: Mapping[type[TypedObject], Callable[[Snapshot], bool]] = MappingProxyType({}),
        may_be_forbidden: Collection[type[TypedObject]] = (),
        quiet_s: float = QUIET_S,
        max_unrest_s: float = MAX_UNREST_S,
    ) -> None:
        """`selectors` are label selectors of kinds of which only some objects are of interest, `fields` those by field.

        A kind `on_demand` is watched from when a snapshot of the others asks for it. One that `may_be_forbidden` has no
        objects where the role is too old to know it; in place of EndpointSlices there are Endpoints then.
        """
        self._changed = asyncio.Event()
        self._cache = Cache((*kinds, *on_demand), self._changed.set)
        self._log = log
        self._quiet_s = quiet_s
        self._max_unrest_s = max_unrest_s
        self._reflectors, self._waiting = (
            [
                EndpointsReflector(client, self._cache.sink(kind), namespace=namespace)
                if kind is EndpointSlice and kind in may_be_forbidden
                else Reflector(
                    client,
                    kind.RESOURCE,
                    self._cache.sink(kind),
                    namespace=namespace,
                    label_selector=selectors.get(kind),
                    field_selector=fields.get(kind),
                    when_forbidden=WhenForbidden.EMPTY if kind in may_be_forbidden else WhenForbidden.WAIT,
                )
                for kind in some
            ]
            for some in (kinds, on_demand)
        )
        self._demands = [_Demand(asks, asyncio.Event()) for asks in on_demand.values()]

    async def run(self) -> None:
        """Until cancelled."""
        async with SupervisedTasks(self._log) as tasks:
            for reflector in self._reflectors:
                tasks.start(f"reflect {reflector.resource.plural}", reflector.run)
            for reflector, demand in zip(self._waiting, self._demands, strict=True):
                tasks.start(f"reflect {reflector.resource.plural}", partial(_run_on_demand, reflector, demand.made))

    def repeat(self) -> None:
        """Lets the latest snapshot come again soon."""
        self._changed.set()

    @property
    def watches(self) -> Iterator[tuple[str, WatchTally]]:
        """By kind, those that are watched."""
        waiting = zip(self._waiting, self._demands, strict=True)
        for reflector in (*self._reflectors, *(one for one, demand in waiting if demand.made.is_set())):
            yield reflector.resource.kind, reflector.tally

    @property
    def is_synced(self) -> bool:
        return self._cache.is_synced

    @property
    def awaited(self) -> list[str]:
        """Kinds of which nothing is known yet."""
        return [each.resource.plural for each in self._reflectors if not each.synced.is_set()]

    def diagnostics(self) -> Diagnostics:
        """The objects that could not be read at all; the snapshot lacks them or has their last readable state."""
        found = Diagnostics()
        for error in self._cache.rejected:
            found.error(
                error.ref,
                UNREADABLE,
                error.problem,
                field=error.field,
                effect="the last readable state of the object is used, or none",
                hint="correct the field",
            )
        return found

    async def __aiter__(self) -> AsyncIterator[Snapshot]:
        for reflector in self._reflectors:
            await reflector.synced.wait()
        for turn in count():
            self._changed.clear()
            await self._meet_demands()
            if turn == 0:
                with _none_collected():
                    yield self._cache.snapshot()
            else:
                yield self._cache.snapshot()
            await self._changed.wait()
            await settled(self._changed, quiet_s=self._quiet_s, max_unrest_s=self._max_unrest_s)

    async def _meet_demands(self) -> None:
        """Nothing is decided without what it needs: a controller that starts would take all of it for gone."""
        snapshot = self._cache.snapshot()
        for reflector, demand in zip(self._waiting, self._demands, strict=True):
            if not demand.made.is_set() and demand.asks(snapshot):
                demand.made.set()
                await reflector.synced.wait()


@contextmanager
def _none_collected() -> Iterator[None]:
    """What was read, and is compiled now, stays for long.

    Else collections of garbage look at it: a third of the first compilation's time, and most of a second each with
    5 000 Ingresses.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _Demand(NamedTuple):
    asks: Callable[[Snapshot], bool]
    made: asyncio.Event


async def _run_on_demand(reflector: Reflector | EndpointsReflector, made: asyncio.Event) -> None:
    await made.wait()
    await reflector.run()


async def settled(changed: asyncio.Event, *, quiet_s: float, max_unrest_s: float) -> None:
    """Returns when `changed` was not set for `quiet_s`, or after `max_unrest_s` at most."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + max_unrest_s
    while (left_s := deadline - loop.time()) > 0:
        changed.clear()
        try:
            async with asyncio.timeout(min(quiet_s, left_s)):
                await changed.wait()
        except TimeoutError:
            return
