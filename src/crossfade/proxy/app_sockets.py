"""Which TCP sockets the pod's other containers still have: all that one container can see of another's life.

Containers of a pod share the network namespace, whose sockets the kernel lists. Standard library only.
"""

from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import Final

from crossfade.proxy.kernel_sockets import CLOSE_WAIT, ESTABLISHED, LISTEN, PROC, inodes_of, tcp_sockets


class Sockets(IntEnum):
    """The most telling of others' sockets."""

    NONE = 0
    CONNECTED = 1
    LISTENING = 2


# A socket in one of these states belongs to a program that uses it.
_STATES: Final = {ESTABLISHED: Sockets.CONNECTED, CLOSE_WAIT: Sockets.CONNECTED, LISTEN: Sockets.LISTENING}


def sockets_of_others(own_pids: Iterable[int], *, proc: Path = PROC) -> Sockets:
    """Raises OSError where the kernel does not tell."""
    own = inodes_of(own_pids, proc)
    kinds = (_STATES.get(one.state, Sockets.NONE) for one in tcp_sockets(proc) if one.inode not in own)
    return max(kinds, default=Sockets.NONE)
