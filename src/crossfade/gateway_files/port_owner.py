"""Who holds a TCP port on this machine, for messages about ports in use. Linux only; reads /proc."""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LISTENING: Final = "0A"


def why_not_free(address: str, port: int) -> str | None:
    """None when the port can be bound; else a sentence that names the port and, where known, the process."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"port {port} is in use by {port_owner(port) or 'another process'}"
            return f"port {port} cannot be used: {error.strerror}"
    return None


def port_owner(port: int) -> str | None:
    """Name and process id of a listener; None when there is none that we may see."""
    inodes = set(_listening_inodes(port))
    if not inodes:
        return None
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and inodes & set(_socket_inodes(process)):
            return f"{_name_of(process)} (process {process.name})"
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _socket_inodes(process: Path) -> Iterator[str]:
    try:
        for link in (process / "fd").iterdir():
            target = str(link.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]
    except OSError:
        return


def _name_of(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        return words[0].decode("utf-8", "replace").rpartition("/")[2] or process.name
    except OSError:
        return "a process"
