"""A client that sends faster than the pod takes has to wait; one that is gone is forgotten."""

import asyncio

from aiohttp import web

from crossfade_local.kubelet.upgrades import SpdyStream
from tests.support.waiting import eventually

PIECES, PIECE = 400, b"x" * 100_000


async def test_a_fast_client_waits() -> None:
    read_on, streams, taken = asyncio.Event(), list[SpdyStream](), 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal taken
        stream = SpdyStream(request, protocol="any")
        streams.append(stream)
        await read_on.wait()
        async for data in stream:
            taken += len(data)
        await stream.close()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    sending = asyncio.create_task(_send_all(writer))
    await eventually(lambda: streams and streams[0]._received.qsize() >= 64)
    done, _ = await asyncio.wait([sending], timeout=0.2)
    assert not done
    assert streams[0]._received.qsize() < 80
    read_on.set()
    await sending
    await eventually(lambda: taken == PIECES * len(PIECE))
    writer.close()
    await writer.wait_closed()
    await runner.cleanup()


async def test_a_client_that_is_gone_is_forgotten() -> None:
    """Each that is not keeps its buffers for as long as the server runs."""

    async def handle(request: web.Request) -> web.StreamResponse:
        stream = SpdyStream(request, protocol="any")
        async for _ in stream:
            pass
        await stream.close()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    server = runner.server
    assert server is not None
    assert len(server.connections) == 1
    writer.close()
    await eventually(lambda: not server.connections, within_s=30)
    await runner.cleanup()


async def _send_all(writer: asyncio.StreamWriter) -> None:
    for _ in range(PIECES):
        writer.write(PIECE)
        await writer.drain()
    writer.write_eof()
