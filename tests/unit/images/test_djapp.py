"""The DJ application over real connections."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from crossfade.images.djapp import DjProtocol

ANSWER = '["Astrud Gilberto","Miles Davis"]'
OK = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(lambda: DjProtocol(ANSWER.encode()), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def exchange(port: int, request: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer.decode()


@pytest.mark.parametrize(
    ("request_text", "answer"),
    [
        ("GET /any HTTP/1.1\r\nhost: a\r\n\r\n", f"{OK}content-length: 33\r\n\r\n{ANSWER}"),
        ("GET /ping?x HTTP/1.1\r\n\r\n", f"{OK}content-length: 0\r\n\r\n"),
        ("HEAD / HTTP/1.1\r\n\r\n", f"{OK}content-length: 33\r\n\r\n"),
        ("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc", f"{OK}content-length: 33\r\n\r\n{ANSWER}"),
        ("GET / HTTP/1.0\r\n\r\n", f"{OK}content-length: 33\r\nconnection: close\r\n\r\n{ANSWER}"),
        ("nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"),
        ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "HTTP/1.1 411 Length Required\r\n"),
    ],
)
async def test_answers(port: int, request_text: str, answer: str) -> None:
    assert (await exchange(port, request_text)).startswith(answer)


async def test_pipelined_requests_share_the_connection(port: int) -> None:
    body = "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nGET /"
    answer = await exchange(port, f"{body}GET /ping HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert answer.count("200 OK") == 3
    assert answer.endswith(ANSWER)
