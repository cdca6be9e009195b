"""Where lines of the embedded metric format go: standard output, or CloudWatch's agent."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

AGENT_PORT: Final = 25888
_WITHIN_S: Final = 5.0


class Place(NamedTuple):
    protocol: Literal["stdout", "tcp", "udp"]
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}" if self.host else self.protocol


def place_of(text: str) -> Place:
    """Of `stdout`, `tcp://HOST[:PORT]`, `udp://HOST[:PORT]`. Raises ValueError."""
    if text == "stdout":
        return Place("stdout")
    found = urlsplit(text)
    is_plain = not (found.path.strip("/") or found.query or found.username)
    match found.scheme:
        case "tcp" | "udp" as protocol if found.hostname and is_plain:
            return Place(protocol, found.hostname, found.port or AGENT_PORT)
    raise ValueError(f"{text!r} is neither stdout nor an address like tcp://127.0.0.1:{AGENT_PORT}")


async def write(place: Place, lines: Sequence[str]) -> None:
    """All of them. Raises OSError: what was not taken by then is lost."""
    encoded = [line.encode() + b"\n" for line in lines]
    match place.protocol:
        case "stdout":
            print("\n".join(lines), flush=True)  # noqa: T201 - this is the data
        case "tcp":
            async with asyncio.timeout(_WITHIN_S):
                await _stream(place, b"".join(encoded))
        case "udp":
            async with asyncio.timeout(_WITHIN_S):
                await _datagrams(place, encoded)


async def _stream(place: Place, text: bytes) -> None:
    _, writer = await asyncio.open_connection(place.host, place.port)
    try:
        writer.write(text)
        await writer.drain()
    finally:
        writer.close()
        await writer.wait_closed()


async def _datagrams(place: Place, lines: Sequence[bytes]) -> None:
    loop = asyncio.get_running_loop()
    family, kind, number, _, address = (await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_DGRAM))[0]
    with socket.socket(family, kind, number) as sending:
        sending.setblocking(False)
        await loop.sock_connect(sending, address)
        for line in lines:
            await loop.sock_sendall(sending, line)
