"""The numbered channels of exec and attach, over either kind of upgrade: 0 input, 1 output, 2 error output, 3 the final
status, 4 terminal size.

On a WebSocket the first byte of each message is its channel, and, in the fifth version of the protocol, 255 closes the
channel named by the second byte. On SPDY each channel is a stream of its own.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final, NamedTuple, Protocol

import orjson
from aiohttp import WSMsgType, web

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet import spdy
from crossfade_local.kubelet.spdy import Codec, Frame
from crossfade_local.kubelet.upgrades import SpdyStream, accept_websocket, is_spdy, offered_protocols

INPUT: Final = 0
STATUS: Final = 3
RESIZE: Final = 4
_CLOSE: Final = 255
_WEBSOCKET_PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_SPDY_PROTOCOL: Final = "v4.channel.k8s.io"
_STREAM_TYPES: Final = {"stdin": INPUT, "stdout": 1, "stderr": 2, "error": STATUS, "resize": RESIZE}
_OPEN_TIMEOUT_S: Final = 30.0


class Received(NamedTuple):
    """`data` of a channel; empty when the client closed it."""

    channel: int
    data: bytes


class Channels(Protocol):
    def __aiter__(self) -> AsyncIterator[Received]: ...

    async def send(self, channel: int, data: bytes) -> None: ...

    async def finish(self, status: JsonObject) -> None:
        """The last message; ends the connection."""


class UnsupportedUpgradeError(Exception):
    """The client speaks neither protocol; the text says which it needs."""


async def accept(request: web.Request) -> tuple[Channels, web.StreamResponse]:
    """The channels, and what the HTTP server is to be given in the end. Raises UnsupportedUpgradeError."""
    if any(name in _WEBSOCKET_PROTOCOLS for name in offered_protocols(request)):
        channel = await accept_websocket(request, _WEBSOCKET_PROTOCOLS)
        return WebSocketChannels(channel), channel
    if is_spdy(request) and _SPDY_PROTOCOL in request.headers.getall("X-Stream-Protocol-Version", []):
        channels = SpdyChannels(SpdyStream(request, protocol=_SPDY_PROTOCOL))
        await channels.open(_wanted(request))
        return channels, web.Response()
    raise UnsupportedUpgradeError(f"exec and attach need a WebSocket ({_WEBSOCKET_PROTOCOLS[0]}) or SPDY/3.1")


def _wanted(request: web.Request) -> set[int]:
    query = request.query
    wanted = {number for name, number in _STREAM_TYPES.items() if query.get(name) == "true"} | {STATUS}
    return (wanted - {2}) | {RESIZE} if query.get("tty") == "true" else wanted


class WebSocketChannels:
    def __init__(self, channel: web.WebSocketResponse) -> None:
        self._channel = channel

    async def __aiter__(self) -> AsyncIterator[Received]:
        async for message in self._channel:
            if message.type != WSMsgType.BINARY or not message.data:
                continue
            number, data = message.data[0], message.data[1:]
            if number == _CLOSE:
                yield Received(data[0] if data else INPUT, b"")
            elif data:
                yield Received(number, data)

    async def send(self, channel: int, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await self._channel.send_bytes(bytes([channel]) + data)

    async def finish(self, status: JsonObject) -> None:
        await self.send(STATUS, orjson.dumps(status))
        with contextlib.suppress(ConnectionError):
            await self._channel.close()


class SpdyChannels:
    def __init__(self, stream: SpdyStream) -> None:
        self._stream = stream
        self._codec = Codec()
        self._numbers: dict[int, int] = {}
        self._early: list[Frame] = []
        self._chunks = aiter(stream)

    async def open(self, wanted: set[int]) -> None:
        """Waits until the client has opened the streams. Raises TimeoutError."""
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            while not wanted <= set(self._numbers.values()):
                frames = await self._next_frames()
                if frames is None:
                    return
                self._early += frames

    async def __aiter__(self) -> AsyncIterator[Received]:
        frames: list[Frame] | None = self._early
        while frames is not None:
            for frame in frames:
                channel = self._numbers.get(frame.stream)
                if frame.kind != spdy.DATA or channel is None:
                    continue
                if frame.payload:
                    yield Received(channel, frame.payload)
                if frame.flags & spdy.FIN:
                    yield Received(channel, b"")
            frames = await self._next_frames()

    async def send(self, channel: int, data: bytes, *, flags: int = 0) -> None:
        for stream, number in self._numbers.items():
            if number == channel:
                await self._stream.send(self._codec.data(stream, data, flags=flags))

    async def finish(self, status: JsonObject) -> None:
        await self.send(STATUS, orjson.dumps(status), flags=spdy.FIN)
        for number in (1, 2):
            await self.send(number, b"", flags=spdy.FIN)
        await self._stream.close()

    async def _next_frames(self) -> list[Frame] | None:
        """None when the client is gone."""
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        frames = []
        for frame in self._codec.receive(chunk):
            if frame.kind == spdy.SYN_STREAM:
                self._numbers[frame.stream] = _STREAM_TYPES.get(frame.headers.get("streamtype", ""), -1)
                await self._stream.send(self._codec.reply(frame.stream))
            elif frame.kind == spdy.PING:
                await self._stream.send(self._codec.ping(frame.payload))
            else:
                frames.append(frame)
        return frames
