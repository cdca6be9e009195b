"""Datagrams that are taken on a port of the machine and sent to a target in the cluster: a flow for each client."""

import asyncio
import contextlib
import random
from collections import OrderedDict, deque
from collections.abc import Coroutine
from typing import Any, Final, cast

from crossfade_local.relay import Listening
from crossfade_local.service_table import Endpoint

Peer = tuple[str, int]

# As long as the kernel remembers a flow that was answered.
_IDLE_S: Final = 120.0
_SWEEP_S: Final = 5.0
_MOST_FLOWS: Final = 4096
# Datagrams that wait for a flow's socket; more are lost, as datagrams are.
_EARLY: Final = 8


class UdpRelay(asyncio.DatagramProtocol):
    """Keeps a client with the target of its first datagram until it is silent; without targets datagrams are lost."""

    def __init__(self, listening: Listening) -> None:
        self.port = listening.port
        self.targets: tuple[Endpoint, ...] = ()
        self._socket = listening.socket
        self._flows: OrderedDict[Peer, _Flow] = OrderedDict()
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._begin(self._serve())

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for flow in self._flows.values():
            flow.close()
        self._flows.clear()
        if self._transport is not None:
            self._transport.close()
        self._socket.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        flow = self._flows.get(addr)
        if flow is None or flow.target not in self.targets:
            if flow is not None:
                self._flows.pop(addr).close()
            if not self.targets:
                return
            flow = self._open(addr, random.choice(self.targets))  # noqa: S311 - spreading load
        self._flows.move_to_end(addr)
        flow.send(data)

    def answer(self, peer: Peer, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, peer)

    def _open(self, peer: Peer, target: Endpoint) -> "_Flow":
        if len(self._flows) >= _MOST_FLOWS:
            self._flows.popitem(last=False)[1].close()
        flow = self._flows[peer] = _Flow(self, peer, target)
        self._begin(flow.reach())
        return flow

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, sock=self._socket)
        while True:
            await asyncio.sleep(_SWEEP_S)
            silent = [peer for peer, flow in self._flows.items() if loop.time() - flow.used > _IDLE_S]
            for peer in silent:
                self._flows.pop(peer).close()


class _Flow(asyncio.DatagramProtocol):
    """The socket by which one client's datagrams go on."""

    def __init__(self, relay: UdpRelay, peer: Peer, target: Endpoint) -> None:
        self.target = target
        self.used = 0.0
        self._relay = relay
        self._peer = peer
        self._early: deque[bytes] = deque(maxlen=_EARLY)
        self._transport: asyncio.DatagramTransport | None = None
        self._is_closed = False

    async def reach(self) -> None:
        # A target without a way there is one that does not answer.
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, remote_addr=self.target)

    def send(self, data: bytes) -> None:
        self.used = asyncio.get_running_loop().time()
        if self._transport is None:
            self._early.append(data)
        else:
            self._transport.sendto(data)

    def close(self) -> None:
        self._is_closed = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        if self._is_closed:
            self._transport.close()
            return
        while self._early:
            self._transport.sendto(self._early.popleft())

    def datagram_received(self, data: bytes, addr: Peer) -> None:  # noqa: ARG002 - asyncio's signature
        self.used = asyncio.get_running_loop().time()
        self._relay.answer(self._peer, data)
