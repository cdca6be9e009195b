"""Long work in a thread: others wait for the next switch of threads, and not for its end."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_LARGE: Final = 32 * 1024
THREADS: Final = 2


async def aside(size: int, work: Callable[[], T]) -> T:
    """Does `work`, at once if the bytes that it goes through are few."""
    return work() if size <= _LARGE else await asyncio.to_thread(work)
