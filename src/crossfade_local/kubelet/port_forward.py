"""`kubectl port-forward`: SPDY/3.1 streams, each pair of them a connection to a port of the pod."""

import asyncio
import socket
from typing import Final

from aiohttp import web

from crossfade_local import namespaces
from crossfade_local.kubelet import spdy
from crossfade_local.kubelet.spdy import Codec, Frame
from crossfade_local.kubelet.upgrades import (
    ByteStream,
    SpdyStream,
    WebSocketStream,
    accept_websocket,
    is_spdy,
    offered_protocols,
)
from crossfade_local.namespaces import Namespaces

_WEBSOCKET_PROTOCOL: Final = "SPDY/3.1+portforward.k8s.io"
_SPDY_PROTOCOL: Final = "portforward.k8s.io"
_CHUNK: Final = 32_768
_REFUSED: Final = 3
# Pieces that wait for the pod before the client has to wait.
_MOST_WAITING: Final = 64


async def serve(request: web.Request, sandbox: Namespaces) -> web.StreamResponse:
    """Until the client goes away."""
    response: web.StreamResponse = web.Response()
    stream: ByteStream
    if _WEBSOCKET_PROTOCOL in offered_protocols(request):
        response = channel = await accept_websocket(request, (_WEBSOCKET_PROTOCOL,))
        stream = WebSocketStream(channel)
    elif is_spdy(request):
        stream = SpdyStream(request, protocol=_SPDY_PROTOCOL)
    else:
        raise web.HTTPBadRequest(
            text=f"port-forward needs a WebSocket ({_WEBSOCKET_PROTOCOL} or v4.channel.k8s.io) or SPDY/3.1"
        )
    session = _Session(stream, sandbox)
    try:
        async with asyncio.TaskGroup() as tasks:
            await session.run(tasks)
    finally:
        session.close()
        await stream.close()
    return response


class _Session:
    """The open streams of one kubectl; a data stream knows its error stream by the request's id."""

    def __init__(self, stream: ByteStream, sandbox: Namespaces) -> None:
        self._stream = stream
        self._sandbox = sandbox
        self._codec = Codec()
        self._errors: dict[str, int] = {}
        self._queues: dict[int, asyncio.Queue[bytes]] = {}
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        async for data in self._stream:
            for frame in self._codec.receive(data):
                await self._handle(frame, tasks)
        self.close()

    def close(self) -> None:
        for connection in self._connections:
            connection.cancel()

    async def _handle(self, frame: Frame, tasks: asyncio.TaskGroup) -> None:
        if frame.kind == spdy.SYN_STREAM:
            await self._open(frame, tasks)
        elif frame.kind == spdy.DATA and frame.stream in self._queues:
            if frame.payload:
                await self._queues[frame.stream].put(frame.payload)
            if frame.flags & spdy.FIN:
                await self._queues[frame.stream].put(b"")
        elif frame.kind == spdy.RST_STREAM and frame.stream in self._queues:
            await self._queues[frame.stream].put(b"")
        elif frame.kind == spdy.PING:
            await self._send(self._codec.ping(frame.payload))

    async def _open(self, frame: Frame, tasks: asyncio.TaskGroup) -> None:
        kind, request = frame.headers.get("streamtype"), frame.headers.get("requestid", "")
        await self._send(self._codec.reply(frame.stream))
        if kind == "error":
            self._errors[request] = frame.stream
            return
        port = frame.headers.get("port", "")
        if kind != "data" or not port.isdigit():
            await self._send(self._codec.reset(frame.stream, _REFUSED))
            return
        self._queues[frame.stream] = asyncio.Queue(_MOST_WAITING)
        connection = tasks.create_task(self._forward(frame.stream, int(port), request))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _forward(self, stream: int, port: int, request: str) -> None:
        """One connection, until both directions have ended; trouble goes to its error stream."""
        problem = ""
        try:
            reader, writer = await connect_inside(self._sandbox, port)
        except OSError as error:
            problem = f"failed to connect to localhost:{port} inside the pod: {error.strerror or error}"
        else:
            upward = asyncio.create_task(self._copy_in(stream, writer))
            try:
                while data := await reader.read(_CHUNK):
                    await self._send(self._codec.data(stream, data))
            except OSError as error:
                problem = f"error forwarding port {port}: {error}"
            finally:
                upward.cancel()
                writer.close()
        error_stream = self._errors.pop(request, None)
        _release(self._queues.pop(stream))
        await self._send(self._codec.data(stream, b"", flags=spdy.FIN))
        if error_stream is not None:
            await self._send(self._codec.data(error_stream, problem.encode(), flags=spdy.FIN))

    async def _copy_in(self, stream: int, writer: asyncio.StreamWriter) -> None:
        queue = self._queues[stream]
        try:
            while data := await queue.get():
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            # The pod takes no more; what the client still sends must not block its other streams.
            while await queue.get():
                pass

    async def _send(self, data: bytes) -> None:
        await self._stream.send(data)


def _release(queue: "asyncio.Queue[bytes]") -> None:
    """Lets go on who waits to put something into a queue that nobody reads any more."""
    while not queue.empty():
        queue.get_nowait()


async def connect_inside(sandbox: Namespaces, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the pod's own loopback. Raises OSError."""

    def make() -> socket.socket:
        namespaces.enter(sandbox)
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    inside = await namespaces.on_fresh_thread(make, name="forward")
    try:
        await asyncio.get_running_loop().sock_connect(inside, ("127.0.0.1", port))
    except OSError:
        inside.close()
        raise
    return await asyncio.open_connection(sock=inside)
