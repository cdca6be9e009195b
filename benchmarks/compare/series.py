"""Rounds in which everybody does everything, one after another, in changing order: foreign load hits all."""

import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

Measure = Callable[[], Awaitable[float]]
"""Microseconds of CPU for each request."""
Cells = Mapping[str, Mapping[str, Measure]]
"""By scenario and contestant."""
Results = dict[str, dict[str, list[float]]]
Item = TypeVar("Item")


async def run(
    cells: Cells, rounds: int, *, warms_up: bool, ends_at: float, clock: Callable[[], float] = time.monotonic
) -> Results:
    """Fewer rounds where another one would not be over by `ends_at`, but at least one."""
    results: Results = {name: {who: [] for who in contestants} for name, contestants in cells.items()}
    if warms_up:
        await _round(cells, 0)
    for number in range(rounds):
        began = clock()
        for name, found in (await _round(cells, number)).items():
            for who, value in found.items():
                results[name][who].append(value)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        if number + 1 < rounds and 2 * clock() - began > ends_at:
            print("there is no time for another one", file=sys.stderr)
            break
    return results


async def _round(cells: Cells, number: int) -> dict[str, dict[str, float]]:
    return {
        name: {who: await cells[name][who]() for who in turned(list(cells[name]), number)}
        for name in turned(list(cells), number)
    }


def turned(items: Sequence[Item], by: int) -> list[Item]:
    first = by % len(items) if items else 0
    return [*items[first:], *items[:first]]
