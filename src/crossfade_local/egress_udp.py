"""UDP that leaves the cluster: a socket of the machine for each pair of ends, until they are silent for a minute."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

log = logging.getLogger(__name__)

_IDLE_S: Final = 60.0
_SWEEP_S: Final = 5.0
_MAX_DATAGRAM: Final = 65_535
# Datagrams that wait for a flow's socket; more are lost, as datagrams are.
_EARLY: Final = 8
_AT_ONCE: Final = 64
_IP_TRANSPARENT: Final = 19
_IP_ORIGDSTADDR: Final = 20

End = tuple[str, int]


class _Key(NamedTuple):
    pod: End
    target: End


class _Flow:
    """`outside` is connected to the target; `back` speaks to the pod in the target's name."""

    def __init__(self, now: float) -> None:
        self.used = now
        self.early: deque[bytes] = deque(maxlen=_EARLY)
        self.outside: socket.socket | None = None
        self.back: socket.socket | None = None

    def close(self) -> None:
        for one in (self.outside, self.back):
            if one:
                with contextlib.suppress(RuntimeError):
                    asyncio.get_running_loop().remove_reader(one.fileno())
                one.close()
        self.outside = self.back = None


class UdpFlows:
    """`listening` gets the pods' datagrams with the addresses they were sent to; the oldest of `most` flows ends."""

    def __init__(
        self,
        listening: socket.socket,
        open_socket: Callable[[socket.SocketKind], Awaitable[socket.socket]],
        may_leave: Callable[[str], bool],
        *,
        most: int,
    ) -> None:
        self._most = most
        self._listening = listening
        self._open_socket = open_socket
        self._may_leave = may_leave
        self._flows: OrderedDict[_Key, _Flow] = OrderedDict()
        self._opening: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._listening.fileno(), self._receive)
        try:
            while True:
                await asyncio.sleep(_SWEEP_S)
                self._sweep(loop.time())
        finally:
            loop.remove_reader(self._listening.fileno())
            for task in self._opening:
                task.cancel()
            for flow in self._flows.values():
                flow.close()

    def _sweep(self, now: float) -> None:
        for key in [key for key, flow in self._flows.items() if now - flow.used > _IDLE_S]:
            self._flows.pop(key).close()

    def _receive(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, ancillary, _, pod = self._listening.recvmsg(_MAX_DATAGRAM, socket.CMSG_SPACE(16))
            except OSError:
                return
            target = next((_address(raw) for _, kind, raw in ancillary if kind == _IP_ORIGDSTADDR), None)
            if target and self._may_leave(target[0]):
                self._send(_Key(pod[:2], target), data)

    def _send(self, key: _Key, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        flow = self._flows.get(key)
        if flow is None:
            flow = self._begin(key, now)
        flow.used = now
        self._flows.move_to_end(key)
        if flow.outside:
            with contextlib.suppress(OSError):
                flow.outside.send(data)
        else:
            flow.early.append(data)

    def _begin(self, key: _Key, now: float) -> _Flow:
        if len(self._flows) >= self._most:
            self._flows.popitem(last=False)[1].close()
        flow = self._flows[key] = _Flow(now)
        task = asyncio.get_running_loop().create_task(self._open(key, flow))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return flow

    async def _open(self, key: _Key, flow: _Flow) -> None:
        try:
            outside = await self._open_socket(socket.SOCK_DGRAM)
        except OSError as error:
            log.warning("egress.no_socket", extra={"fields": {"reason": error}})
            self._forget(key, flow)
            return
        if self._flows.get(key) is not flow:
            outside.close()
            return
        flow.outside = outside
        try:
            outside.connect(key.target)
            flow.back = _speaking_as(key.target)
        except OSError:
            # The machine has no way there.
            self._forget(key, flow)
            return
        asyncio.get_running_loop().add_reader(outside.fileno(), self._answer, key, flow)
        while flow.early:
            with contextlib.suppress(OSError):
                outside.send(flow.early.popleft())

    def _forget(self, key: _Key, flow: _Flow) -> None:
        if self._flows.get(key) is flow:
            del self._flows[key]
        flow.close()

    def _answer(self, key: _Key, flow: _Flow) -> None:
        for _ in range(_AT_ONCE):
            if not flow.outside or not flow.back:
                return
            try:
                data = flow.outside.recv(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                # Nobody listens there (ICMP): the pod may send again.
                continue
            flow.used = asyncio.get_running_loop().time()
            with contextlib.suppress(OSError):
                flow.back.sendto(data, key.pod)


def _speaking_as(target: End) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(target)
    except OSError:
        made.close()
        raise
    return made


def _address(raw: bytes) -> End:
    """Of a `sockaddr_in`."""
    (port,) = struct.unpack_from("!H", raw, 2)
    return socket.inet_ntoa(raw[4:8]), port
