"""The DJ application: answers the text of HW_RESPONSE to any path, and 200 to /ping (appmesh.md §7.1).

Runs as a script without site packages, so that a pod of it starts in a few hundredths of a second.
"""

import asyncio
import os
import signal
import socket
from typing import Final

_MAX_HEAD: Final = 65_536


class DjProtocol(asyncio.Protocol):
    """HTTP/1.0 and 1.1 with keep-alive and pipelining; request bodies are read past and ignored."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._pending = b""
        self._skip = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while self._take_body() and (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head, self._pending = self._pending[:end], self._pending[end + 4 :]
            self._respond(head)
            if self._transport.is_closing():
                return
        if len(self._pending) > _MAX_HEAD:
            self._refuse(b"431 Request Header Fields Too Large")

    def _take_body(self) -> bool:
        taken = min(self._skip, len(self._pending))
        self._skip -= taken
        self._pending = self._pending[taken:]
        return self._skip == 0

    def _respond(self, head: bytes) -> None:
        request, *lines = head.split(b"\r\n")
        words = request.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            self._refuse(b"400 Bad Request")
            return
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit():
            self._refuse(b"411 Length Required")
            return
        self._skip = int(length)
        body = b"" if words[1].partition(b"?")[0] == b"/ping" else self._answer
        connection = headers.get(b"connection", b"").lower()
        close = connection == b"close" or (words[2] == b"HTTP/1.0" and connection != b"keep-alive")
        self._write(b"200 OK", b"" if words[0] == b"HEAD" else body, length=len(body), close=close)

    def _refuse(self, status: bytes) -> None:
        self._write(status, b"", length=0, close=True)

    def _write(self, status: bytes, body: bytes, *, length: int, close: bool) -> None:
        connection = b"connection: close\r\n" if close else b""
        self._transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n%b\r\n%b"
            % (status, length, connection, body)
        )
        if close:
            self._transport.close()


async def serve(*, port: int, answer: str) -> None:
    """Serves on all addresses until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await loop.create_server(lambda: DjProtocol(answer.encode()), "0.0.0.0", port, backlog=1024)
    async with server:
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(serve(port=int(os.environ.get("PORT", "9080")), answer=os.environ.get("HW_RESPONSE", "")))
