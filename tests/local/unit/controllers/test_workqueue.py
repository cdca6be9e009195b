import asyncio
from itertools import pairwise

from crossfade_local.controllers.reconciler import Reconciler, Retry
from crossfade_local.controllers.workqueue import WorkQueue
from tests.support.waiting import eventually


async def test_a_key_waits_once_and_is_never_worked_on_twice_at_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("a")
    queue.add("b")
    first = await queue.take()
    queue.add("a")
    assert (first, await queue.take()) == ("a", "b")
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done("a")
    assert await asyncio.wait_for(waiting, 1) == "a"


async def test_the_earliest_delay_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    assert await asyncio.wait_for(queue.take(), 1) == "a"


async def test_what_is_gone_is_not_due_later() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("gone", 0.01)
    queue.add_after("there", 0.02)
    queue.forget("gone")
    queue.forget("never there")
    assert await asyncio.wait_for(queue.take(), 1) == "there"


async def test_failures_are_retried_later_and_later_until_they_succeed() -> None:
    times: list[float] = []
    loop = asyncio.get_running_loop()

    async def reconcile(_: str) -> None:
        times.append(loop.time())
        if len(times) < 5:
            raise Retry("not yet")

    reconciler: Reconciler[str] = Reconciler("test", reconcile)
    running = asyncio.create_task(reconciler.run())
    reconciler.queue.add("a")
    await eventually(lambda: len(times) == 5)
    running.cancel()
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap >= wanted * 0.9 for gap, wanted in zip(gaps, (0.005, 0.01, 0.02, 0.04), strict=True))


async def test_a_bug_for_one_key_does_not_stop_the_others() -> None:
    done: list[str] = []

    async def reconcile(key: str) -> None:
        if key == "bad":
            raise ZeroDivisionError
        done.append(key)

    reconciler: Reconciler[str] = Reconciler("test", reconcile, workers=1)
    running = asyncio.create_task(reconciler.run())
    reconciler.queue.add("bad")
    reconciler.queue.add("good")
    await eventually(lambda: done == ["good"])
    running.cancel()
