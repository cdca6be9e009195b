"""Port-forward over a plain WebSocket, as kr8s and the Python client ask for it: one connection for each port.

Each message begins with the number of its channel: port i has 2·i for data and 2·i + 1 for what went wrong. The first
message of a channel is the port itself, as 16 bits with the low byte first (k8s.io/kubelet, the protocols
`v4.channel.k8s.io` and `v4.base64.channel.k8s.io`); who names no protocol gets the first.
"""

import asyncio
import base64
import binascii
import contextlib
from typing import Final

from aiohttp import WSMsgType, web

from crossfade_local.kubelet.port_forward import connect_inside
from crossfade_local.kubelet.upgrades import accept_websocket, is_websocket, offered_protocols
from crossfade_local.namespaces import Namespaces

BINARY: Final = "v4.channel.k8s.io"
BASE64: Final = "v4.base64.channel.k8s.io"
PROTOCOLS: Final = (BINARY, BASE64)
MAX_PORTS: Final = 127
_CHUNK: Final = 32_768


class BadPortsError(Exception):
    """The text is for the client."""


def is_asked_for(request: web.Request) -> bool:
    offered = offered_protocols(request)
    return is_websocket(request) and (not any(offered) or any(name in PROTOCOLS for name in offered))


def ports_of(request: web.Request) -> tuple[int, ...]:
    """The query's `ports`, repeated or with commas between. Raises BadPortsError."""
    words = [word for value in request.query.getall("ports", []) for word in value.split(",")]
    if not any(words):
        raise BadPortsError('query parameter "ports" is required')
    if len(words) > MAX_PORTS:
        raise BadPortsError(f"at most {MAX_PORTS} ports can be forwarded over one connection")
    for word in words:
        if not (word.isascii() and word.isdecimal() and len(word) <= 5 and int(word) < 1 << 16):
            raise BadPortsError(f'unable to parse "{word[:20]}" as a port')
        if int(word) == 0:
            raise BadPortsError(f'port "{word}" must be > 0')
    return tuple(map(int, words))


async def serve(request: web.Request, sandbox: Namespaces, *, pod: str) -> web.StreamResponse:
    """Until the client goes away, or all connections have ended; `pod` is for messages. Raises BadPortsError."""
    ports = ports_of(request)
    channel = await accept_websocket(request, PROTOCOLS)
    session = _Session(channel, sandbox, pod, ports)
    try:
        async with asyncio.TaskGroup() as tasks:
            sides = [tasks.create_task(session.receive()), tasks.create_task(session.forward_all())]
            await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
            for side in sides:
                side.cancel()
    finally:
        with contextlib.suppress(ConnectionError):
            await channel.close()
    return channel


class _Session:
    """`writers` by the channel of data; None for a pod that refused. The client may send before they are there."""

    def __init__(self, channel: web.WebSocketResponse, sandbox: Namespaces, pod: str, ports: tuple[int, ...]) -> None:
        self._channel = channel
        self._sandbox = sandbox
        self._pod = pod
        self._ports = ports
        self._encodes = channel.ws_protocol == BASE64
        loop = asyncio.get_running_loop()
        self._writers: dict[int, asyncio.Future[asyncio.StreamWriter | None]] = {
            2 * index: loop.create_future() for index in range(len(ports))
        }

    async def receive(self) -> None:
        """What the client sends, to the pod; one that takes nothing makes the client wait."""
        async for message in self._channel:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT) or not message.data:
                continue
            number, data = self._decoded(message.data)
            if data and number in self._writers and (writer := await self._writers[number]):
                with contextlib.suppress(OSError):
                    writer.write(data)
                    await writer.drain()

    async def forward_all(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for index, port in enumerate(self._ports):
                tasks.create_task(self._forward(2 * index, port))

    async def _forward(self, number: int, port: int) -> None:
        """One connection, until the pod ends it."""
        for one in (number, number + 1):
            await self._send(one, port.to_bytes(2, "little"))
        try:
            reader, writer = await connect_inside(self._sandbox, port)
        except OSError as error:
            self._writers[number].set_result(None)
            await self._tell(number, port, error)
            return
        self._writers[number].set_result(writer)
        try:
            while data := await reader.read(_CHUNK):
                await self._send(number, data)
        except OSError as error:
            await self._tell(number, port, error)
        finally:
            writer.close()

    async def _tell(self, number: int, port: int, error: OSError) -> None:
        text = f"error forwarding port {port} to pod {self._pod}: {error.strerror or error}"
        await self._send(number + 1, text.encode())

    def _decoded(self, data: bytes | str) -> tuple[int, bytes]:
        """Channel and bytes; what is no message of the protocol goes nowhere."""
        if not self._encodes:
            raw = data if isinstance(data, bytes) else data.encode()
            return raw[0], raw[1:]
        text = data if isinstance(data, str) else data.decode("ascii", "replace")
        try:
            return ord(text[0]) - ord("0"), base64.b64decode(text[1:], validate=True)
        except (ValueError, binascii.Error):
            return -1, b""

    async def _send(self, number: int, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            if self._encodes:
                await self._channel.send_str(chr(ord("0") + number) + base64.b64encode(data).decode())
            else:
                await self._channel.send_bytes(bytes([number]) + data)
