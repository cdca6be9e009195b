"""How many files and sockets the processes of a cluster may have open."""

import contextlib
import resource
from typing import Final

# What container engines give to containers, too.
MOST: Final = 1_048_576


def raise_limit() -> None:
    """For this process and those that it starts: a node has some twenty open for each pod, and 1 024 is usual."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, raised(*limits))


def raised(soft: int, hard: int) -> tuple[int, int]:
    """Never less than it was."""
    if soft == resource.RLIM_INFINITY:
        return soft, hard
    return max(soft, MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)), hard
