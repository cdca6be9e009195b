"""The two ways in which kubectl opens a stream of bytes through an HTTP request: a WebSocket (from 1.31 on), and an
upgrade of the connection itself to SPDY/3.1 (before).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol, cast

from aiohttp import WSMsgType, web

_SPDY: Final = "SPDY/3.1"
_MAX_MESSAGE: Final = 32 * 1024 * 1024
# Pieces that may wait to be taken before the client is asked to wait too, and how few let it go on.
_PAUSE_AT: Final = 64
_RESUME_AT: Final = 16


class ByteStream(Protocol):
    """Bytes to and from kubectl; their boundaries mean nothing."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def send(self, data: bytes) -> None:
        """What a client that went away does not take is dropped."""

    async def close(self) -> None: ...


def offered_protocols(request: web.Request) -> list[str]:
    """Of the WebSocket, in the client's order."""
    header = request.headers.get("Sec-WebSocket-Protocol", "")
    return [name.strip() for name in header.split(",")] if is_websocket(request) else []


def is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def is_spdy(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == _SPDY.lower()


async def accept_websocket(request: web.Request, protocols: Sequence[str]) -> web.WebSocketResponse:
    channel = web.WebSocketResponse(protocols=protocols, max_msg_size=_MAX_MESSAGE, compress=False)
    await channel.prepare(request)
    return channel


class WebSocketStream:
    def __init__(self, channel: web.WebSocketResponse) -> None:
        self._channel = channel

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for message in self._channel:
            if message.type == WSMsgType.BINARY:
                yield message.data

    async def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await self._channel.send_bytes(data)

    async def close(self) -> None:
        await self._channel.close()


class SpdyStream(asyncio.Protocol):
    """Takes the connection away from the HTTP server, which gets it back closed."""

    def __init__(self, request: web.Request, *, protocol: str) -> None:
        """Answers 101; `protocol` is the one chosen of X-Stream-Protocol-Version."""
        self._received: asyncio.Queue[bytes] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._writable.set()
        # aiohttp types it as optional: it is None only after the client has gone.
        self._transport = cast("asyncio.Transport", request.transport)
        self._former = self._transport.get_protocol()
        self._transport.set_protocol(self)
        head = ("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {_SPDY}")
        lines = [*head, f"X-Stream-Protocol-Version: {protocol}", "", ""]
        self._transport.write("\r\n".join(lines).encode())
        self._transport.resume_reading()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._received.get():
            if self._received.qsize() <= _RESUME_AT and not self._transport.is_closing():
                self._transport.resume_reading()
            yield data

    async def send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)
            await self._writable.wait()

    async def close(self) -> None:
        self._transport.set_protocol(self._former)
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received.put_nowait(data)
        if self._received.qsize() >= _PAUSE_AT:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._received.put_nowait(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self._received.put_nowait(b"")
        self._writable.set()
        # Who is not told keeps the connection for ever. The server ends the request's task.
        self._former.connection_lost(exc)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
