"""Long-lived tasks that belong together: a failing one is restarted with growing delays, cancelling stops all.

What a task raises never ends its siblings. An outage (KubeError) is logged as one line, a bug with its traceback.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from crossfade_kube.backoff import Backoff
from crossfade_kube.errors import KubeError
from crossfade_kube.logging import EventLog

FIRST_DELAY_S: Final = 0.1
MAX_DELAY_S: Final = 30.0
# A task that has run this long was healthy: its next failure starts with a short delay again.
HEALTHY_AFTER_S: Final = 60.0

Work = Callable[[], Awaitable[None]]


class SupervisedTasks:
    """Use as an async context manager; leaving it normally waits for the tasks, leaving by an error cancels them."""

    def __init__(
        self,
        log: EventLog,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._log = log
        self._clock = clock
        self._sleep = sleep
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, exc, traceback)

    def start(self, name: str, work: Work) -> asyncio.Task[None]:
        """Runs `work` until it returns; when it raises, it is started again from the beginning."""
        return self._group.create_task(self._supervise(name, work), name=name)

    async def _supervise(self, name: str, work: Work) -> None:
        backoff = Backoff(FIRST_DELAY_S, MAX_DELAY_S)
        while True:
            started = self._clock()
            try:
                await work()
            except Exception as exc:
                if is_cancelled():
                    raise asyncio.CancelledError from exc
                if self._clock() - started > HEALTHY_AFTER_S:
                    backoff.reset()
                delay_s = backoff.next_s()
                self._tell(name, exc, delay_s)
            else:
                return
            await self._sleep(delay_s)

    def _tell(self, name: str, exc: Exception, delay_s: float) -> None:
        restart_in_s = round(delay_s, 2)
        if isinstance(exc, KubeError):
            self._log.warning("task.interrupted", task=name, reason=exc, restart_in_s=restart_in_s)
        else:
            self._log.exception("task.failed", exc, task=name, reason=repr(exc), restart_in_s=restart_in_s)


def is_cancelled() -> bool:
    """Whether the current task was asked to end, even where a failure in that very moment hid the CancelledError."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
