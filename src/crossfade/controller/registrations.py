"""The registrations of our webhooks, watched: `kubectl replace`, and whoever else writes one, wipes its CA bundle."""

import asyncio
from collections.abc import Sequence
from typing import Final

from crossfade_kube.backoff import Backoff
from crossfade_kube.client import Client
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import JsonObject, Resource
from crossfade_kube.reflector import Reflector
from crossfade_kube.tasks import SupervisedTasks
from crossfade_kube.watch import WatchEvent

# For somebody who writes them against us again and again, as a controller of another installation does.
_PAUSES_S: Final = (0.05, 15.0)


class Registrations:
    """Nothing else may be read of the kind, so each is chosen by its name."""

    def __init__(self, client: Client, named: Sequence[tuple[Resource, str]], *, log: EventLog) -> None:
        self._log = log
        self._sink = _Changes()
        self._backoff = Backoff(*_PAUSES_S)
        self._reflectors = [
            Reflector(client, resource, self._sink, field_selector=f"metadata.name={name}") for resource, name in named
        ]

    async def run(self) -> None:
        """Until cancelled. Where the role does not allow to watch, `changed` waits for its time."""
        async with SupervisedTasks(self._log) as tasks:
            for reflector in self._reflectors:
                tasks.start(f"watch {reflector.resource.plural}", reflector.run)

    async def changed(self, *, within_s: float) -> None:
        """Returns when one is not as it was, or at the end of the time."""
        try:
            async with asyncio.timeout(within_s):
                await self._sink.event.wait()
        except TimeoutError:
            self._backoff.reset()
            return
        await asyncio.sleep(self._backoff.next_s())
        self._sink.event.clear()


class _Changes:
    def __init__(self) -> None:
        self.event: Final = asyncio.Event()

    def replace(self, items: list[JsonObject]) -> None:
        if items:
            self.event.set()

    def apply(self, event: WatchEvent) -> None:
        if event.type != "DELETED":
            self.event.set()
