"""WebSocket through the gateway: messages flow both ways, and a refused handshake is an answer like any other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.support.gateway import ingress, running_gateway, service

pytestmark = pytest.mark.envoy

LONG = "sorry " * 20_000


async def echo(request: web.Request) -> web.StreamResponse:
    if "refused" in request.path:
        return web.Response(text=LONG)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"you said {message.data}")
    return socket


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_get("/{path:.*}", echo)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_messages_flow_both_ways(tmp_path: Path) -> None:
    async with echo_server() as port, aiohttp.ClientSession() as http:
        (tmp_path / "chat.yaml").write_text(service("chat", port) + ingress("chat", "/chat", "chat"))
        with running_gateway(tmp_path) as gateway:
            async with http.ws_connect(f"http://127.0.0.1:{gateway.port}/chat") as socket:
                for text in ("hello", "x" * 100_000):
                    await socket.send_str(text)
                    assert await socket.receive_str() == f"you said {text}"


async def test_a_refused_handshake_keeps_its_body(tmp_path: Path) -> None:
    async with echo_server() as port, aiohttp.ClientSession() as http:
        (tmp_path / "chat.yaml").write_text(service("chat", port) + ingress("chat", "/chat", "chat"))
        with running_gateway(tmp_path) as gateway:
            asks = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
            url = f"http://127.0.0.1:{gateway.port}/chat/refused"
            async with http.get(url, headers=asks) as answer:
                assert answer.status == 200
                assert await answer.text() == LONG
                assert answer.headers["Via"] == "1.1 kong/3.9.1"
