"""Waiting for what comes while parts of a cluster are down."""

import subprocess
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_POLL_S: Final = 0.1


def until(condition: Callable[[], T | None], patience_s: float) -> T:
    """The first true value; what cannot be asked is not true yet. Raises TimeoutError, with why it could not last."""
    deadline = time.monotonic() + patience_s
    while True:
        problem: Exception | None = None
        try:
            if found := condition():
                return found
        except (OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
            problem = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {patience_s:g} s: {problem or condition!r}") from problem
        time.sleep(_POLL_S)
