"""What arrives is kept, found by its ids, and shown to who watches; bounded, whatever arrives."""

import asyncio

import pytest

from crossfade.observe.record import Wanted
from crossfade.observe.records import MOST_BYTES_A_SECOND, MOST_FOUND, MOST_WATCHERS, Records, TooManyWatchers
from tests.unit.observe.calls import call, gateway_log, log


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(clock: Clock) -> Records:
    return Records(node_of=lambda proxy: f"prod/{proxy}", clock=clock)


def test_a_request_is_found_by_any_of_its_ids_in_the_order_of_its_hops(records: Records) -> None:
    records.receive("jazz", call(log(side="destination", request_id="req-0001"), began_s=3))
    records.receive("dj", call(log(request_id="req-0001", trace="00-trace-123-01-01"), began_s=2))
    records.receive("gw", call(gateway_log(id="kong-0001"), began_s=1))
    records.receive("dj", call(log(request_id="req-0002", path="/req-0001"), began_s=4))
    assert [one.node for one in records.with_any_of(["req-0001", "kong-0001"])] == ["prod/gw", "prod/dj", "prod/jazz"]
    assert records.with_any_of(["nothing-of-the-kind"]) == []


@pytest.mark.parametrize("asked", ["000000000000000000000000000000ff", "00000000000000ff"])
def test_a_trace_is_found_in_short_and_whole(records: Records, asked: str) -> None:
    whole = "000000000000000000000000000000ff"
    records.receive("gw", call(gateway_log(trace=whole), began_s=1))
    records.receive("dj", call(log(), began_s=2, trace=whole))
    records.receive("jazz", call(log(trace=f"00-{whole}-01-01"), began_s=3))
    assert [(one.node, one.trace) for one in records.with_any_of([asked])] == [
        (f"prod/{node}", whole) for node in ("gw", "dj", "jazz")
    ]


def test_of_an_id_that_clients_repeat_the_newest_are_found(records: Records) -> None:
    for number in range(MOST_FOUND + 10):
        records.receive("dj", call(log(request_id="the-same-id"), began_s=number))
    found = records.with_any_of(["the-same-id"])
    assert (len(found), found[0].began_s) == (MOST_FOUND, 10)


def test_of_other_namespaces_not_even_the_number_is_told(records: Records) -> None:
    with records.watching(Wanted(namespace="shop"), 1000) as watcher:
        records.receive("dj", call(log()))
        records.receive("dj", call(log(target_namespace="shop")))
    assert (watcher.seen, watcher.left_out) == (1, 0)


async def test_who_watches_sees_what_was_asked_for_and_how_much_was_left_out(records: Records, clock: Clock) -> None:
    with records.watching(Wanted(codes=("5xx",)), 2) as watcher:
        for code in ("200", "503", "500", "501"):
            records.receive("dj", call(log(code=code)))
        assert [(await watcher.next()).code for _ in range(2)] == [503, 500]
        assert (watcher.seen, watcher.left_out) == (4, 1)
        clock.now_s = 1
        records.receive("dj", call(log(code="502")))
        assert (await watcher.next()).code == 502
    records.receive("dj", call(log(code="500")))
    assert watcher.seen == 5


async def test_who_fetches_nothing_keeps_a_bounded_number_waiting(records: Records) -> None:
    with records.watching(Wanted(), 10**6) as watcher:
        for _ in range(1500):
            records.receive("dj", call(log()))
        assert watcher.left_out == 500


def test_not_everybody_watches_at_once(records: Records) -> None:
    async def watch() -> None:
        with records.watching(Wanted(), 1):
            await asyncio.sleep(0)

    opened = [records.watching(Wanted(), 1) for _ in range(MOST_WATCHERS)]
    for one in opened:
        one.__enter__()
    with pytest.raises(TooManyWatchers):
        asyncio.run(watch())
    opened[0].__exit__(None, None, None)
    asyncio.run(watch())


def test_what_is_no_call_or_too_much_is_counted_and_dropped(records: Records, clock: Clock) -> None:
    records.receive("dj", b"\xff\xff")
    records.receive("gw", call(gateway_log() | {"note": "{"}))
    assert records.with_any_of(["1917a000"]) == []
    records.receive("dj", b"x" * MOST_BYTES_A_SECOND)
    records.receive("dj", call(log(request_id="req-0001")))
    assert records.dropped == {"unreadable": 1, "too-much": 2}
    clock.now_s = 1
    records.receive("dj", call(log(request_id="req-0001")))
    assert len(records.with_any_of(["req-0001"])) == 1
