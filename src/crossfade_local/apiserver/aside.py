"""Long work in a thread or in slices: others wait for the next switch, and not for its end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

_LARGE: Final = 32 * 1024
THREADS: Final = 2
_SLICE: Final = 500
"""Objects: some milliseconds."""
_LOOKS: Final = 16
"""Terms of selectors that take about as long as the rest of what is done with an object."""


async def aside(size: int, work: Callable[[], T]) -> T:
    """Does `work`, at once if the bytes that it goes through are few."""
    return work() if size <= _LARGE else await asyncio.to_thread(work)


async def slices(items: Sequence[T], looks: int = 0) -> AsyncIterator[Sequence[T]]:
    """All of them, some at a time; between two the others get a turn. `looks`: how often each is looked at."""
    size = max(_SLICE // (1 + looks // _LOOKS), 1)
    for start in range(0, len(items), size):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + size]
