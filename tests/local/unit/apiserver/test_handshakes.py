"""Connections that never end their TLS handshake are few, and not for long; others are served meanwhile."""

import asyncio
import socket
import ssl

import pytest

from crossfade_local.apiserver.handshakes import Handshakes
from crossfade_local.apiserver.security.pki import Pki, ensure
from crossfade_local.apiserver.server import tls_context

WAIT_S = 60


class Greeting(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"hello")
        transport.close()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return ensure(tmp_path_factory.mktemp("pki"))


def listening() -> tuple[socket.socket, int]:
    sock = socket.create_server(("127.0.0.1", 0))
    return sock, sock.getsockname()[1]


async def greeted(port: int, pki: Pki) -> bytes:
    context = ssl.create_default_context(cafile=str(pki.ca_certificate))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    try:
        return await reader.read()
    finally:
        writer.close()


async def is_ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_the_oldest_of_too_many_is_closed_and_others_are_served(pki: Pki) -> None:
    sock, port = listening()
    shakes = Handshakes(Greeting, tls_context(pki), most=3, longest_s=WAIT_S)
    shakes.listen(sock)
    async with asyncio.timeout(WAIT_S):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        # All five have been taken when one that came later is served, which takes the place of a third.
        assert await greeted(port, pki) == b"hello"
        assert [await is_ended(reader) for reader, _ in silent[:2]] == [True, True]
        assert not silent[4][0].at_eof()
        await shakes.close()
        assert await is_ended(silent[4][0])
    for _, writer in silent:
        writer.close()


async def test_one_that_never_ends_is_closed(pki: Pki) -> None:
    sock, port = listening()
    shakes = Handshakes(Greeting, tls_context(pki), longest_s=0.05)
    shakes.listen(sock)
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await is_ended(reader)
        writer.close()
        await shakes.close()


async def test_what_is_no_handshake_is_closed(pki: Pki) -> None:
    sock, port = listening()
    shakes = Handshakes(Greeting, tls_context(pki), longest_s=WAIT_S)
    shakes.listen(sock)
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.read()
        writer.close()
        await shakes.close()
    # Nobody takes connections any more.
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
