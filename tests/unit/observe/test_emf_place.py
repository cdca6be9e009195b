"""Lines reach CloudWatch's agent over TCP and UDP, or it is said that they did not."""

import asyncio
import socket

import pytest

from crossfade.observe.emf_place import Place, write

LINES = ['{"a": 1}', '{"b": 2}']


async def test_over_tcp() -> None:
    came = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set_result(await reader.read())
        writer.close()

    async with asyncio.timeout(5), await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await write(Place("tcp", "127.0.0.1", port), LINES)
        assert await came == b'{"a": 1}\n{"b": 2}\n'


async def test_over_udp_each_by_itself() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        agent.settimeout(5)
        await write(Place("udp", *agent.getsockname()), LINES)
        assert [agent.recv(100) for _ in LINES] == [b'{"a": 1}\n', b'{"b": 2}\n']


async def test_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    await write(Place("stdout"), LINES)
    assert capsys.readouterr().out == '{"a": 1}\n{"b": 2}\n'


async def test_an_agent_that_is_not_there_is_an_error() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="Connect"):
            await write(Place("tcp", *nobody.getsockname()), LINES)
