"""Waits for what a whole cluster does in its own time."""

import time
from collections.abc import Callable
from typing import Any, Final

SOON_S: Final = 90.0


def eventually(condition: Callable[[], Any], *, within_s: float = SOON_S) -> Any:
    """The first true value."""
    deadline = time.monotonic() + within_s
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)
