"""TCP sockets as the kernel lists them, and whose they are. Standard library only."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

PROC: Final = Path("/proc")
ESTABLISHED, CLOSE_WAIT, LISTEN = "01", "08", "0A"
_LOCAL, _STATE, _INODE = 1, 3, 9


class KernelSocket(NamedTuple):
    """One that a program holds: the kernel's own, as in TIME_WAIT, have no inode and are left out."""

    is_ipv6: bool
    port: int
    state: str
    inode: str


def tcp_sockets(proc: Path = PROC) -> Iterator[KernelSocket]:
    """Of this network namespace. Raises OSError where the kernel does not tell."""
    for table in ("tcp", "tcp6"):
        file = proc / "net" / table
        if table == "tcp6" and not file.exists():
            continue
        for line in file.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[_INODE] != "0":
                port = int(fields[_LOCAL].rpartition(":")[2], 16)
                yield KernelSocket(table == "tcp6", port, fields[_STATE], fields[_INODE])


def inodes_of(pids: Iterable[int], proc: Path = PROC) -> set[str]:
    """Of all sockets that these processes hold."""
    return {inode for pid in pids for inode in _inodes_of(pid, proc)}


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
