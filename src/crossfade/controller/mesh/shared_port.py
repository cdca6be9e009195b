"""One port for webhooks and ADS, told apart by what the client's first TLS message offers; what follows is passed on.

Envoys offer HTTP/2 and nothing else, API servers both versions of HTTP. Needed where a chart has a Service for webhooks
only; nothing of this is in the way of a request.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from crossfade_kube.logging import EventLog

LOOPBACK: Final = "127.0.0.1"
HELLO_WITHIN_S: Final = 5.0
MOST_CONNECTIONS: Final = 20_000
_LONGEST_HELLO: Final = 32_768
_CHUNK: Final = 65_536
_RECORD_HEADER: Final = 5
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_ALPN: Final = 16
_RANDOM: Final = 32

log = EventLog("crossfade.mesh")


@asynccontextmanager
async def shared_port(*, host: str, port: int, webhooks: int, ads: int) -> AsyncIterator[int]:
    """Listens there and passes connections on to the two ports of loopback; yields the port."""
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(open_now) >= MOST_CONNECTIONS:
            writer.close()
            return
        open_now.add(task)
        try:
            await _pass_on(reader, writer, webhooks=webhooks, ads=ads)
        finally:
            writer.close()
            open_now.discard(task)

    server = await asyncio.start_server(serve, host, port)
    try:
        bound: int = server.sockets[0].getsockname()[1]
        yield bound
    finally:
        server.close()
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, webhooks: int, ads: int) -> None:
    try:
        async with asyncio.timeout(HELLO_WITHIN_S):
            hello = await _hello(reader)
            port = ads if offers_http2_alone(hello) else webhooks
            other_reader, other_writer = await asyncio.open_connection(LOOPBACK, port)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
        return
    other_writer.write(hello)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(reader, other_writer))
            tasks.create_task(_copy(other_reader, writer))
    finally:
        other_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ends when one side has no more to say, and tells the other."""
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def _hello(reader: asyncio.StreamReader) -> bytes:
    """The records that the first message is in. Raises ValueError where it is none of TLS."""
    found = b""
    while True:
        header = await reader.readexactly(_RECORD_HEADER)
        length = int.from_bytes(header[3:5], "big")
        if header[0] != _HANDSHAKE or len(found) + length > _LONGEST_HELLO:
            raise ValueError("no TLS")
        found += header + await reader.readexactly(length)
        message = _message(found)
        if len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            return found


def _message(records: bytes) -> bytes:
    """What the records hold."""
    parts, at = [], 0
    while at < len(records):
        length = int.from_bytes(records[at + 3 : at + 5], "big")
        parts.append(records[at + _RECORD_HEADER : at + _RECORD_HEADER + length])
        at += _RECORD_HEADER + length
    return b"".join(parts)


def offers_http2_alone(hello: bytes) -> bool:
    """Of the records with a client's first message; false for what cannot be read."""
    try:
        return _protocols(_message(hello)) == [b"h2"]
    except (IndexError, ValueError):
        return False


def _protocols(message: bytes) -> list[bytes]:
    if message[0] != _CLIENT_HELLO:
        return []
    at = 4 + 2 + _RANDOM
    at += 1 + message[at]
    at += 2 + int.from_bytes(message[at : at + 2], "big")
    at += 1 + message[at]
    end = at + 2 + int.from_bytes(message[at : at + 2], "big")
    at += 2
    while at + 4 <= end:
        kind, length = int.from_bytes(message[at : at + 2], "big"), int.from_bytes(message[at + 2 : at + 4], "big")
        if kind == _ALPN:
            return _names(message[at + 4 : at + 4 + length])
        at += 4 + length
    return []


def _names(extension: bytes) -> list[bytes]:
    found, at = [], 2
    while at < len(extension):
        length = extension[at]
        found.append(extension[at + 1 : at + 1 + length])
        at += 1 + length
    return found
