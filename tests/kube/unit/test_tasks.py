import asyncio
import logging
from itertools import pairwise

import pytest

from crossfade_kube.errors import ApiUnreachable
from crossfade_kube.logging import EventLog
from crossfade_kube.tasks import SupervisedTasks


async def test_a_failing_task_is_restarted_with_growing_delays() -> None:
    runs: list[int] = []
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    async def fails_four_times() -> None:
        runs.append(1)
        if len(runs) <= 4:
            raise ValueError("boom")

    async with SupervisedTasks(EventLog("test"), sleep=sleep, clock=lambda: 0.0) as tasks:
        tasks.start("flaky", fails_four_times)
    assert len(runs) == 5
    assert [round(later / earlier) for earlier, later in pairwise(delays)] == [2, 2, 2]


async def test_a_failure_after_long_health_starts_with_a_short_delay() -> None:
    now = 0.0
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    async def work() -> None:
        nonlocal now
        now += 100.0
        if len(delays) < 3:
            raise ValueError("boom")

    async with SupervisedTasks(EventLog("test"), sleep=sleep, clock=lambda: now) as tasks:
        tasks.start("mostly healthy", work)
    assert max(delays) <= 0.1


async def test_siblings_survive_and_cancelling_stops_all() -> None:
    stopped: list[str] = []

    async def healthy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("healthy")

    async def failing() -> None:
        raise ValueError("boom")

    async def all_tasks() -> None:
        async with SupervisedTasks(EventLog("test")) as tasks:
            tasks.start("healthy", healthy)
            tasks.start("failing", failing)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(all_tasks(), 0.05)
    assert stopped == ["healthy"]


async def test_what_fails_while_it_is_cancelled_does_not_start_again() -> None:
    runs: list[int] = []

    async def fails_on_the_way_out() -> None:
        runs.append(1)
        if len(runs) == 1:
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("boom")

    async def all_tasks() -> None:
        async with SupervisedTasks(EventLog("test")) as tasks:
            tasks.start("clumsy", fails_on_the_way_out)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(all_tasks(), 0.05)
    assert runs == [1]


@pytest.mark.parametrize(
    ("raised", "has_traceback"),
    [(ApiUnreachable(server="https://10.96.0.1", verb="list", problem="refused"), False), (ValueError("boom"), True)],
    ids=["outage", "bug"],
)
async def test_only_a_bug_is_logged_with_its_traceback(
    raised: Exception, has_traceback: bool, caplog: pytest.LogCaptureFixture
) -> None:
    runs: list[int] = []

    async def no_sleep(_: float) -> None: ...

    async def fails_once() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise raised

    with caplog.at_level(logging.WARNING):
        async with SupervisedTasks(EventLog("test"), sleep=no_sleep) as tasks:
            tasks.start("flaky", fails_once)
    (record,) = caplog.records
    assert bool(record.exc_info) is has_traceback
