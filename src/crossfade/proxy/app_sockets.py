"""Which TCP sockets the pod's other containers still have: all that one container can see of another's life.

Containers of a pod share the network namespace, whose sockets the kernel lists. Standard library only.
"""

import os
from collections.abc import Iterable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Final


class Sockets(IntEnum):
    """The most telling of others' sockets."""

    NONE = 0
    CONNECTED = 1
    LISTENING = 2


# Of /proc/net/tcp: a socket in one of these states belongs to a program; others are left to the kernel.
_STATES: Final = {"01": Sockets.CONNECTED, "08": Sockets.CONNECTED, "0A": Sockets.LISTENING}
_STATE, _INODE = 3, 9


def sockets_of_others(own_pids: Iterable[int], *, proc: Path = Path("/proc")) -> Sockets:
    """Raises OSError where the kernel does not tell."""
    own = {inode for pid in own_pids for inode in _inodes_of(pid, proc)}
    return max((kind for inode, kind in _held(proc) if inode not in own), default=Sockets.NONE)


def _held(proc: Path) -> Iterator[tuple[str, Sockets]]:
    for table in ("tcp", "tcp6"):
        file = proc / "net" / table
        if table == "tcp6" and not file.exists():
            continue
        for line in file.read_text().splitlines()[1:]:
            fields = line.split()
            if (kind := _STATES.get(fields[_STATE])) and fields[_INODE] != "0":
                yield fields[_INODE], kind


def _inodes_of(pid: int, proc: Path) -> Iterator[str]:
    folder = proc / str(pid) / "fd"
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a Path a descriptor is a waste
    except FileNotFoundError:
        return
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")  # noqa: PTH115
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]
