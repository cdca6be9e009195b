"""A look at the ports that a controller is to listen on, before anything is begun: a clash names both sides."""

import errno
import socket
from collections.abc import Iterable
from typing import NamedTuple

from crossfade_kube.errors import ConfigError
from crossfade_kube.port_owner import port_owner


class PortUse(NamedTuple):
    """`what` says what would listen there, and `setting` where the port comes from, if it can be chosen."""

    host: str
    port: int
    what: str
    setting: str = ""

    def __str__(self) -> str:
        return f"{self.what} ({self.setting})" if self.setting else self.what


def check_ports(uses: Iterable[PortUse]) -> None:
    """Raises ConfigError where one is wanted twice, or somebody else has it. Port 0 is any."""
    taken: dict[int, PortUse] = {}
    for use in uses:
        if use.port == 0:
            continue
        if other := taken.get(use.port):
            raise ConfigError(f"port {use.port} is wanted for {other} and for {use}: choose another for one of them")
        taken[use.port] = use
        _check_free(use)


def _check_free(use: PortUse) -> None:
    family = socket.AF_INET6 if ":" in use.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((use.host, use.port))
        except OSError as problem:
            raise ConfigError(f"port {use.port} is wanted for {use}, {_why(problem, use.port)}") from None


def _why(problem: OSError, port: int) -> str:
    if problem.errno == errno.EADDRINUSE:
        owner = port_owner(port) or "another process"
        return f"and {owner} listens there: choose another port, or end that process"
    return f"and cannot be had ({problem.strerror}): choose another port or address"
