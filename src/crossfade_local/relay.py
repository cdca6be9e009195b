"""Connections that are taken on one side and made on the other; bytes pass at the pace of the slower."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, cast

from crossfade_local.service_table import Endpoint

_CONNECT_TIMEOUT_S: Final = 5.0
# The kernel's table and the targets here follow the endpoints one after the other.
_RETRY_PAUSES_S: Final = (0.02, 0.1)


class Listening(NamedTuple):
    socket: socket.socket
    port: int


class Side(asyncio.Protocol):
    """One of the two connections of a relay; what arrives goes to the other, at the pace that one takes it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None
        self._early: list[bytes] = []
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self.other and self.other.transport:
            self.other.transport.write(data)
        else:
            self._early.append(data)
            if self.transport:
                # What a client sends to a server that is not reached yet must not pile up here.
                self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.ended = True
        if self.other and self.other.transport and self.other.transport.can_write_eof():
            with contextlib.suppress(OSError, RuntimeError):
                self.other.transport.write_eof()
        if self.other and self.other.ended:
            for side in (self, self.other):
                if side.transport:
                    side.transport.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other and self.other.transport:
            if exc:
                self.other.transport.abort()
            else:
                self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport:
            with contextlib.suppress(RuntimeError):
                self.other.transport.resume_reading()

    def join(self, other: "Side") -> None:
        """Hands over what came before the other side was there."""
        self.other, other.other = other, self
        for data in self._early:
            self.data_received(data)
        if self._early and self.transport and not self.transport.is_closing():
            self.transport.resume_reading()
        self._early.clear()
        if self.ended:
            self.eof_received()


class Downstream(Side):
    """Joined with what `reach` gives for it; reset when that raises OSError or takes too long."""

    def __init__(self, reach: Callable[[asyncio.Transport], Awaitable[Side]]) -> None:
        super().__init__()
        self._reach = reach
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connecting:
            self._connecting.cancel()
        super().connection_lost(exc)

    async def _connect(self) -> None:
        assert self.transport is not None
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                upstream = await self._reach(self.transport)
        except (OSError, TimeoutError):
            self._reset()
        else:
            self.join(upstream)

    def _reset(self) -> None:
        assert self.transport is not None
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()


class Relay:
    """Connects every connection of one listener to any of the targets; without one it refuses them by a reset."""

    def __init__(self, listening: Listening) -> None:
        self.port = listening.port
        self.targets: tuple[Endpoint, ...] = ()
        self._socket = listening.socket
        self._server: asyncio.AbstractServer | None = None
        self._starting: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._starting = asyncio.get_running_loop().create_task(self._serve())

    def close(self) -> None:
        if self._server:
            self._server.close()
        self._socket.close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Downstream(self._reach), sock=self._socket)

    async def _reach(self, _: asyncio.Transport) -> Side:
        for pause_s in _RETRY_PAUSES_S:
            with contextlib.suppress(ConnectionError):
                return await self._reach_once()
            await asyncio.sleep(pause_s)
        return await self._reach_once()

    async def _reach_once(self) -> Side:
        if not self.targets:
            raise ConnectionAbortedError("nothing has this port")
        target = random.choice(self.targets)  # noqa: S311 - spreading load
        upstream = Side()
        await asyncio.get_running_loop().create_connection(lambda: upstream, *target)
        return upstream
