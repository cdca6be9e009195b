"""Waiting for what comes while parts of a cluster are down."""

import contextlib
import subprocess
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_POLL_S: Final = 0.1


def until(condition: Callable[[], T], patience_s: float) -> T:
    """The first true value; what cannot be asked is not true yet. Raises TimeoutError."""
    deadline = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(OSError, ValueError, LookupError, subprocess.SubprocessError):
            if found := condition():
                return found
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(_POLL_S)
