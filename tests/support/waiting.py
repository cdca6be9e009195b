"""Waiting for a condition with a deadline, in place of sleeping."""

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], object], *, within_s: float = 60.0, what: str = "") -> None:
    """Returns once `condition` is true; fails the test when it is not within the time."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {within_s} s: {what or condition}"
        await asyncio.sleep(0.002)
