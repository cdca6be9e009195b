"""Logs are streamed and upgraded connections passed through to the kubelet's socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from crossfade_local.apiserver.tunnel import pass_through
from tests.support.api_process import ApiClient
from tests.support.waiting import eventually

POD = {
    "metadata": {"name": "jazz"},
    "spec": {"nodeName": "here", "containers": [{"name": "app", "image": "jazz"}], "serviceAccountName": "default"},
}


@pytest.fixture
async def kubelet(tmp_path: Path) -> AsyncIterator[list[bytes]]:
    """Answers logs in two chunks; upgrades and then echoes. Yields the request heads that it saw."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        if b"Upgrade: " not in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b"6\r\nline 1\r\n7\r\n\nline 2\r\n0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\nhello ")
            while data := await reader.read(1000):
                writer.write(data.upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "kubelet.sock")
    yield heads
    server.close()


@pytest.fixture
async def pod(client: ApiClient) -> str:
    await client.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    await client.create("/api/v1/namespaces/default/pods", POD)
    return "/api/v1/namespaces/default/pods/jazz"


async def test_log_is_streamed(client: ApiClient, kubelet: list[bytes], pod: str) -> None:
    assert await client.send("GET", f"{pod}/log?tailLines=2&container=app") == (200, "line 1\nline 2")
    assert kubelet[0].startswith(b"GET /api/v1/namespaces/default/pods/jazz/log?tailLines=2&container=app HTTP/1.1\r\n")


@pytest.mark.parametrize(("method", "protocol"), [("POST", "SPDY/3.1"), ("GET", "websocket")])
async def test_upgraded_connection_is_passed_through(
    client: ApiClient, kubelet: list[bytes], pod: str, method: str, protocol: str
) -> None:
    host, port = client.url.removeprefix("https://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=client.context)
    fields = {"Host": "x", "Connection": "Upgrade", "Upgrade": protocol, "Sec-WebSocket-Version": "13"}
    fields |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} | ({"Content-Length": "0"} if method == "POST" else {})
    lines = [f"{method} {pod}/exec?command=id&stdin=true HTTP/1.1", *(f"{key}: {fields[key]}" for key in fields)]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(10):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await reader.readexactly(6) == b"hello "
        for size in (1, 1000, 300_000):
            writer.write(b"x" * size)
            assert await reader.readexactly(size) == b"X" * size
        writer.close()
        await writer.wait_closed()
    assert b"Authorization" not in kubelet[0]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [("?container=nope", 400, "container nope is not valid for pod jazz"), ("", 500, "node agent is not running")],
)
async def test_refusals_say_why(client: ApiClient, pod: str, query: str, status: int, words: str) -> None:
    code, answer = await client.send("GET", f"{pod}/log{query}")
    assert (code, words in answer["message"]) == (status, True), answer


@pytest.mark.parametrize("query", ["sinceSeconds=abc", "tailLines=1e3", "limitBytes=-", "sinceTime=yesterday"])
async def test_what_cannot_be_read_of_a_log_request_is_named(
    client: ApiClient, kubelet: list[bytes], pod: str, query: str
) -> None:
    status, answer = await client.send("GET", f"{pod}/log?{query}")
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert query.partition("=")[2] in answer["message"]
    assert not kubelet


@pytest.mark.parametrize("ends_first", ["client", "kubelet"])
async def test_a_connection_that_was_passed_through_is_forgotten(tmp_path: Path, ends_first: str) -> None:
    """Each that is not keeps its buffers for as long as the server runs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        if ends_first == "client":
            await reader.read()
        writer.close()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await pass_through(request, str(tmp_path / "kubelet.sock"))
        return web.Response()

    kubelet = await asyncio.start_unix_server(serve, tmp_path / "kubelet.sock")
    server = web.Server(handle, handler_cancellation=True)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert await reader.readexactly(5) == b"hello"
    if ends_first == "client":
        assert len(server.connections) == 1
        writer.close()
    await eventually(lambda: not server.connections, within_s=30)
    writer.close()
    listening.close()
    kubelet.close()
