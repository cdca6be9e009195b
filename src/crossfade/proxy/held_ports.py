"""Keeps a sidecar's ports open while its Envoy is started again, so that connections wait instead of being refused.

What waits in the backlog of a listener goes over to another listener of the same port when the first is closed, where
the network namespace has `net.ipv4.tcp_migrate_req`: a matter of the node or of the pod. Elsewhere nothing is held,
since what waits would be reset. Standard library only.
"""

import contextlib
import socket
from pathlib import Path
from typing import Final

from crossfade.proxy.kernel_sockets import LISTEN, PROC, KernelSocket, inodes_of, tcp_sockets

# Where traffic is redirected to: nobody else's connections may wait here.
REDIRECTED_TO: Final = frozenset({15000, 15001})
GIVE_UP_S: Final = 10.0
_BACKLOG: Final = 4096


class HeldPorts:
    """Of one Envoy after the other."""

    def __init__(self, proc: Path = PROC, ports: frozenset[int] = REDIRECTED_TO) -> None:
        self._proc = proc
        self._ports = ports
        self._known: frozenset[tuple[bool, int]] = frozenset()
        self._held: list[socket.socket] = []
        self._since = 0.0

    @property
    def are_held(self) -> bool:
        return bool(self._held)

    def note(self, pid: int) -> None:
        """What this Envoy listens on, to be known when it is gone."""
        if not self._held:
            self._known = self._listened(pid)

    def hold(self, now: float) -> None:
        """Envoy is gone."""
        if self._held or not self._may_migrate():
            return
        self._since = now
        for is_ipv6, port in self._known:
            with contextlib.suppress(OSError):
                self._held.append(self._listener(port, is_ipv6=is_ipv6))

    def release(self, pid: int, now: float) -> None:
        """As soon as the new Envoy listens on all of them, or after a while: it may have none of them any more."""
        if self._held and (self._known <= self._listened(pid) or now >= self._since + GIVE_UP_S):
            for one in self._held:
                one.close()
            self._held = []

    def _listener(self, port: int, *, is_ipv6: bool) -> socket.socket:
        made = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if is_ipv6:
                takes_ipv4_too = (False, port) not in self._known
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not takes_ipv4_too)
            made.bind(("::" if is_ipv6 else "0.0.0.0", port))
            made.listen(_BACKLOG)
        except OSError:
            made.close()
            raise
        return made

    def _listened(self, pid: int) -> frozenset[tuple[bool, int]]:
        def counts(one: KernelSocket) -> bool:
            return one.state == LISTEN and one.port in self._ports

        try:
            listening = [one for one in tcp_sockets(self._proc) if counts(one)]
            own = inodes_of([pid], self._proc) if listening else set()
        except OSError:
            return frozenset()
        return frozenset((one.is_ipv6, one.port) for one in listening if one.inode in own)

    def _may_migrate(self) -> bool:
        with contextlib.suppress(OSError):
            return (self._proc / "sys/net/ipv4/tcp_migrate_req").read_text().strip() != "0"
        return False
