"""The order of a series: everybody does everything once a round, and begins as often as the others."""

from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from benchmarks.compare.series import run, turned


class Clock:
    """Each measurement takes a second of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[tuple[str, str]] = []

    def cell(self, scenario: str, contestant: str) -> Callable[[], Awaitable[float]]:
        async def measure() -> float:
            self.asked.append((scenario, contestant))
            self.now += 1
            return self.now

        return measure

    def cells(self) -> dict[str, dict[str, Callable[[], Awaitable[float]]]]:
        return {scenario: {who: self.cell(scenario, who) for who in "abc"} for scenario in ("one", "two")}


async def test_each_round_asks_all_and_the_first_only_warms_up() -> None:
    clock = Clock()
    results = await run(clock.cells(), 3, warms_up=True, ends_at=1000, clock=lambda: clock.now)
    assert Counter(clock.asked) == {(scenario, who): 4 for scenario in ("one", "two") for who in "abc"}
    assert all(len(rounds) == 3 and min(rounds) > 6 for found in results.values() for rounds in found.values())


async def test_everybody_is_the_first_of_a_round_in_turn() -> None:
    clock = Clock()
    await run(clock.cells(), 6, warms_up=False, ends_at=1000, clock=lambda: clock.now)
    assert Counter(clock.asked[::6]) == {(scenario, who): 1 for scenario in ("one", "two") for who in "abc"}


@pytest.mark.parametrize(("ends_at", "rounds"), [(1000, 5), (12, 2), (12.5, 2), (18, 3), (0, 1)])
async def test_no_round_begins_that_would_end_too_late(ends_at: float, rounds: int) -> None:
    clock = Clock()
    results = await run(clock.cells(), 5, warms_up=False, ends_at=ends_at, clock=lambda: clock.now)
    assert {len(found) for by_who in results.values() for found in by_who.values()} == {rounds}


def test_turning_keeps_all() -> None:
    assert [turned("abc", by) for by in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]
    assert turned([], 3) == []
