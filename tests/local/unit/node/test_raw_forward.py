"""Port-forward over a plain WebSocket: what clients in Python speak."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from crossfade_local.kubelet import raw_forward
from crossfade_local.namespaces import Namespaces
from tests.support.ports import free_ports


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Forwards to the network that the test runs in."""
    here = Namespaces(net=os.open("/proc/self/ns/net", os.O_RDONLY), uts=os.open("/proc/self/ns/uts", os.O_RDONLY))

    async def handle(request: web.Request) -> web.StreamResponse:
        assert raw_forward.is_asked_for(request)
        try:
            return await raw_forward.serve(request, here, pod="jazz_default, uid 1")
        except raw_forward.BadPortsError as error:
            raise web.HTTPBadRequest(text=str(error)) from error

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()
    here.close()


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def port_bytes(port: int) -> bytes:
    return port.to_bytes(2, "little")


@pytest.mark.skipif(os.geteuid() != 0, reason="enters a network namespace")
async def test_each_port_has_a_channel_for_data_and_one_for_trouble(url: str, echo: int) -> None:
    (closed,) = free_ports(1)
    received: dict[int, list[bytes]] = {}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}?ports={echo},{closed}", protocols=[raw_forward.BINARY]) as channel,
    ):
        # Sent before anything is connected: nothing of it may be lost.
        await channel.send_bytes(b"\x00one ")
        await channel.send_bytes(b"\x07no such channel")
        await channel.send_bytes(b"\x00two\n")
        async for message in channel:
            received.setdefault(message.data[0], []).append(message.data[1:])
    assert received[0] == [port_bytes(echo), b"one two\n"]
    assert received[1] == [port_bytes(echo)]
    assert received[2] == [port_bytes(closed)]
    assert received[3][0] == port_bytes(closed)
    assert received[3][1].startswith(f"error forwarding port {closed} to pod jazz_default, uid 1: ".encode())


@pytest.mark.skipif(os.geteuid() != 0, reason="enters a network namespace")
async def test_messages_as_text(url: str, echo: int) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}?ports={echo}", protocols=[raw_forward.BASE64]) as channel,
    ):
        await channel.send_str("0!")
        await channel.send_str("0" + base64.b64encode(b"line\n").decode())
        received = [(message.data[0], base64.b64decode(message.data[1:])) async for message in channel]
    assert received == [("0", port_bytes(echo)), ("1", port_bytes(echo)), ("0", b"line\n")]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("", 'query parameter "ports" is required'),
        ("?ports=", 'query parameter "ports" is required'),
        ("?ports=80,x", 'unable to parse "x" as a port'),
        ("?ports=80&ports=65536", 'unable to parse "65536" as a port'),
        ("?ports=0", 'port "0" must be > 0'),
        ("?ports=" + ",".join(["80"] * 128), "at most 127 ports can be forwarded over one connection"),
    ],
)
async def test_ports_that_are_none_are_refused(url: str, query: str, problem: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with aiohttp.ClientSession() as session, session.get(url + query, headers=upgrade) as answer:
        assert (answer.status, await answer.text()) == (400, problem)
