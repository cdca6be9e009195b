"""The pods' way out: TCP and UDP to addresses outside of the cluster go on from sockets of the machine's own network.

The kernel hands such packets to this process with the address they were sent to (TPROXY), and `up` opens the sockets,
so that the machine gets no interface, no rule and no route, and root is not needed. What a pod sends to the machine's
loopback or to link-local addresses (a cloud's metadata service) goes nowhere.
"""

import asyncio
import ipaddress
import logging
import resource
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from crossfade_local.egress_udp import UdpFlows
from crossfade_local.netlink import Netlink
from crossfade_local.network import POD_RANGE, SERVICE_RANGE
from crossfade_local.relay import Downstream, Side
from crossfade_local.service_proxy import load

log = logging.getLogger(__name__)

_LOOPBACK: Final = "127.0.0.1"
_MARK: Final = 1
_TABLE: Final = 100
_BACKLOG: Final = 256
_MAX_CONNECTIONS: Final = 1000
_MAX_FLOWS: Final = 512
_OPENED_AT_ONCE: Final = 32
IP_TRANSPARENT: Final = 19
IP_RECVORIGDSTADDR: Final = 20
_REFUSED: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", POD_RANGE, SERVICE_RANGE)
)
"""This machine's loopback (0.0.0.0 is one of its names), what is not one machine, and the cluster."""

OpenSocket = Callable[[socket.SocketKind], Awaitable[socket.socket]]
"""Opens an unconnected one in the machine's network. Raises OSError."""


class EgressUnavailableError(Exception):
    """The kernel does not do it; the text says what it said."""


def may_leave(address: str) -> bool:
    """Whether pods may reach it. Pure."""
    parsed = ipaddress.IPv4Address(address)
    return not any(parsed in network for network in _REFUSED)


def render_egress(tcp_port: int, udp_port: int) -> str:
    """For `nft -f -`. Behind the policies of pods, before routing."""
    inside = ", ".join(map(str, ipaddress.collapse_addresses(_REFUSED)))
    return f"""\
table ip crossfade_egress
delete table ip crossfade_egress
table ip crossfade_egress {{
  chain prerouting {{
    type filter hook prerouting priority -40; policy accept;
    ip saddr != {POD_RANGE} accept
    ip daddr {{ {inside} }} accept
    meta l4proto tcp tproxy to {_LOOPBACK}:{tcp_port} meta mark set {_MARK} accept
    meta l4proto udp tproxy to {_LOOPBACK}:{udp_port} meta mark set {_MARK} accept
  }}
}}
"""


class Egress:
    def __init__(self, open_socket: OpenSocket) -> None:
        self._open_socket = open_socket
        self._opening = asyncio.Semaphore(_OPENED_AT_ONCE)
        self._connections = 0
        # Each takes two descriptors; the pods themselves need theirs.
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._max_connections = min(_MAX_CONNECTIONS, descriptors // 8)
        self._max_flows = min(_MAX_FLOWS, descriptors // 16)

    async def run(self, links: Netlink) -> None:
        """Until cancelled. Raises EgressUnavailableError."""
        tcp = _transparent(socket.SOCK_STREAM)
        udp = _transparent(socket.SOCK_DGRAM)
        udp.setsockopt(socket.IPPROTO_IP, IP_RECVORIGDSTADDR, 1)
        flows = UdpFlows(udp, self._opened, may_leave, most=self._max_flows)
        with tcp, udp:
            tcp.listen(_BACKLOG)
            server = await asyncio.get_running_loop().create_server(lambda: Downstream(self._reach), sock=tcp)
            async with server:
                await self._divert(links, tcp.getsockname()[1], udp.getsockname()[1])
                await flows.run()

    async def _divert(self, links: Netlink, tcp_port: int, udp_port: int) -> None:
        try:
            links.deliver_marked(_MARK, table=_TABLE, index=links.index_of("lo"))
        except OSError as error:
            raise EgressUnavailableError(str(error)) from error
        if problem := await asyncio.to_thread(load, render_egress(tcp_port, udp_port)):
            raise EgressUnavailableError(problem)

    async def _reach(self, downstream: asyncio.Transport) -> Side:
        """Raises OSError."""
        target = downstream.get_extra_info("sockname")[:2]
        if not may_leave(target[0]):
            raise PermissionError(f"{target[0]} is not for pods")
        if self._connections >= self._max_connections:
            raise OSError("too many connections leave the cluster")
        self._connections += 1
        upstream = _Counted(self._ended)
        try:
            outside = await self._opened(socket.SOCK_STREAM)
            try:
                await asyncio.get_running_loop().sock_connect(outside, target)
                await asyncio.get_running_loop().create_connection(lambda: upstream, sock=outside)
            except BaseException:
                outside.close()
                raise
        except BaseException:
            self._ended()
            raise
        return upstream

    async def _opened(self, kind: socket.SocketKind) -> socket.socket:
        # The channel to `up` holds so many questions only.
        async with self._opening:
            opened = await self._open_socket(kind)
        opened.setblocking(False)
        return opened

    def _ended(self) -> None:
        self._connections -= 1


class _Counted(Side):
    def __init__(self, ended: Callable[[], None]) -> None:
        super().__init__()
        self._at_end = ended

    def connection_lost(self, exc: Exception | None) -> None:
        self._at_end()
        super().connection_lost(exc)


def _transparent(kind: socket.SocketKind) -> socket.socket:
    """On any free port of the node's loopback, where pods cannot reach it by its own address."""
    made = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
        made.bind((_LOOPBACK, 0))
    except OSError as error:
        made.close()
        raise EgressUnavailableError(str(error)) from error
    return made
