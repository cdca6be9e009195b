"""Runs a reconcile function for every key that became due, several keys at once, retrying failures later."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from crossfade_kube.errors import Conflict, KubeError
from crossfade_local.controllers.workqueue import WorkQueue

K = TypeVar("K", bound=Hashable)

log = logging.getLogger(__name__)


class Retry(Exception):  # noqa: N818 - asks for another attempt, with the reason for the log
    """The work could not be completed now; it is tried again with growing delays."""


class Reconciler(Generic[K]):
    """`reconcile` returns the seconds after which to look again, or None; it must be safe to repeat."""

    def __init__(self, name: str, reconcile: Callable[[K], Awaitable[float | None]], *, workers: int = 5) -> None:
        self.queue: WorkQueue[K] = WorkQueue()
        self.name = name
        self._reconcile = reconcile
        self._workers = workers

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._workers):
                tasks.create_task(self._work(), name=f"{self.name} worker {number}")

    async def _work(self) -> None:
        while True:
            await self._work_on(await self.queue.take())

    async def _work_on(self, key: K) -> None:
        try:
            again_s = await self._reconcile(key)
        except (KubeError, Retry) as exc:
            # Losing a race on an object is the everyday case: its newer state is on the way already.
            level = logging.DEBUG if isinstance(exc, Conflict) else logging.INFO
            self._report(level, "reconcile.postponed", key, exc)
            self.queue.retry(key)
        except Exception as exc:
            self._report(logging.ERROR, "reconcile.failed", key, exc)
            self.queue.retry(key)
        else:
            self.queue.succeed(key)
            if again_s is not None:
                self.queue.add_after(key, again_s)
        finally:
            self.queue.done(key)

    def _report(self, level: int, event: str, key: K, exc: BaseException) -> None:
        fields = {"controller": self.name, "key": key, "reason": exc}
        log.log(level, event, extra={"fields": fields}, exc_info=exc if level >= logging.ERROR else None)
