"""Waits for what other processes do in their own time."""

import time
from collections.abc import Callable
from typing import Any, Final

SOON_S: Final = 120.0


def eventually(condition: Callable[[], Any], *, within_s: float = SOON_S, seen: object = "") -> Any:
    """The first true value; fails the test when there is none within the time.

    Rests as long as it asked: a condition that starts kubectl would keep a processor busy.
    """
    deadline = time.monotonic() + within_s
    while True:
        asked = time.monotonic()
        if value := condition():
            return value
        answered = time.monotonic()
        assert answered < deadline, f"not within {within_s} s: {condition}; seen: {seen}"
        time.sleep(max(0.01, answered - asked))
