"""Sockets on the machine's 127.0.0.1 that take connections or datagrams."""

import errno
import os
import socket
from collections.abc import Mapping
from typing import Final, NamedTuple

from crossfade_kube.port_owner import has_listener, port_owner

ADDRESS: Final = "127.0.0.1"
_BACKLOG: Final = 1024
_TRIES: Final = 200


class PortTakenError(Exception):
    """A port that was asked for belongs to someone else; the text names both."""


class Listener(NamedTuple):
    """`moved` when the port is not the one wanted."""

    socket: socket.socket
    port: int
    moved: bool


def check_distinct(asked: Mapping[str, int | None]) -> None:
    """Ports by their options. Raises PortTakenError."""
    options: dict[int, str] = {}
    for option, port in asked.items():
        if port is not None and options.setdefault(port, option) != option:
            raise PortTakenError(f"{options[port]} and {option} both name port {port}; choose another for one of them")


def open_listener(port: int | None, *, default: int, option: str) -> Listener:
    """The port asked for, or the default one or, if that is taken, the next free one. Raises PortTakenError."""
    if port is not None:
        found = _try_open(port)
        if found is None:
            raise PortTakenError(f"{option} {port}: {ADDRESS}:{port} is in use{_by(port)}; choose another one")
        return Listener(found, found.getsockname()[1], moved=False)
    for candidate in range(default, default + _TRIES):
        if (found := _try_open(candidate)) is not None:
            return Listener(found, candidate, moved=candidate != default)
    raise PortTakenError(
        f"no free port from {default} to {default + _TRIES - 1} on {ADDRESS}; choose one with {option}"
    )


def open_any(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> Listener:
    """The port, or any free one."""
    found = _try_open(port, kind)
    if found is not None:
        return Listener(found, found.getsockname()[1], moved=False)
    found = _try_open(0, kind)
    if found is None:
        raise PortTakenError(f"no free port on {ADDRESS}")
    return Listener(found, found.getsockname()[1], moved=True)


def open_exactly(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> Listener:
    """Raises PortTakenError."""
    found = _try_open(port, kind)
    if found is None:
        raise PortTakenError(f"{ADDRESS}:{port} is in use{_by(port, kind)}")
    return Listener(found, port, moved=False)


def _try_open(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket | None:
    found = socket.socket(socket.AF_INET, kind)
    try:
        if kind == socket.SOCK_STREAM:
            # Connections of a former life that are still closing must not keep the port.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((ADDRESS, port))
        if kind == socket.SOCK_STREAM:
            found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return None
        raise
    return found


def _by(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
    if kind == socket.SOCK_DGRAM:
        return " or reserved for root" if port < 1024 and os.geteuid() != 0 else " for UDP"
    if port < 1024 and os.geteuid() != 0 and not has_listener(port):
        return " or reserved for root"
    return f" by {port_owner(port) or 'a process of another user'}"
