"""Webhooks and ADS behind one port."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.certs.ca import KeyPair
from crossfade.certs.key_files import load_into
from crossfade.controller.mesh import shared_port as module
from crossfade.controller.mesh.shared_port import offers_http2_alone, shared_port
from tests.support.certificates import self_signed

PAIR = self_signed("localhost")


def hello_of(protocols: list[str]) -> bytes:
    context = ssl.create_default_context()
    if protocols:
        context.set_alpn_protocols(protocols)
    written = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), written, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return written.read()


HELLO = hello_of(["h2"])


@pytest.mark.parametrize(
    ("protocols", "is_envoy"),
    [(["h2"], True), (["h2", "http/1.1"], False), (["http/1.1"], False), ([], False), (["h2", "x"], False)],
)
def test_who_is_asking(protocols: list[str], is_envoy: bool) -> None:
    hello = hello_of(protocols)
    assert offers_http2_alone(hello) is is_envoy
    # The same message in records of a few bytes each.
    message = hello[5:]
    split = b"".join(
        b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
        for part in (message[at : at + 50] for at in range(0, len(message), 50))
    )
    assert offers_http2_alone(split) is is_envoy


@given(st.binary(max_size=400), st.integers(0, 300), st.integers(0, 255))
def test_garbage_is_never_an_envoy_nor_an_error(garbage: bytes, at: int, value: int) -> None:
    offers_http2_alone(garbage)
    offers_http2_alone(b"\x16\x03\x01" + len(garbage).to_bytes(2, "big") + garbage)
    broken = bytearray(HELLO)
    broken[at % len(broken)] = value
    offers_http2_alone(bytes(broken))
    offers_http2_alone(bytes(broken[:at]))


@asynccontextmanager
async def echoing(name: str, protocols: list[str]) -> AsyncIterator[int]:
    """A TLS server that says its name and what it was sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_into(context, KeyPair(PAIR.certificate.encode(), PAIR.key.encode()))
    context.set_alpn_protocols(protocols)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{name} ".encode() + await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def shared() -> AsyncIterator[int]:
    async with (
        echoing("webhooks", ["http/1.1"]) as webhooks,
        echoing("ads", ["h2"]) as ads,
        shared_port(host="127.0.0.1", port=0, webhooks=webhooks, ads=ads) as port,
    ):
        yield port


async def asked(port: int, protocols: list[str]) -> bytes:
    context = ssl.create_default_context(cadata=PAIR.certificate)
    context.set_alpn_protocols(protocols)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    writer.write(b"x" * 60_000 + b"\n")
    answer = await reader.read(-1)
    writer.close()
    return answer


async def test_each_gets_to_its_own() -> None:
    async with asyncio.timeout(20), shared() as port:
        found = await asyncio.gather(*(asked(port, ["h2"] if turn % 2 else ["h2", "http/1.1"]) for turn in range(10)))
        assert found == [(b"ads " if turn % 2 else b"webhooks ") + b"x" * 60_000 + b"\n" for turn in range(10)]


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", b""])
async def test_who_speaks_no_tls_or_nothing_is_sent_away(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELLO_WITHIN_S", 0.1)
    async with asyncio.timeout(20), shared() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await reader.read(-1) == b""
        writer.close()


async def test_there_is_a_bound_to_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 1)
    async with asyncio.timeout(20), shared() as port:
        _, held = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read(-1) == b""
        writer.close()
        held.close()
