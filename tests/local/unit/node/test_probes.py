"""Probes against applications that answer well, badly, or against all rules."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet import probes
from crossfade_local.kubelet.commands import run_hook
from crossfade_local.kubelet.probes import ProbeResult, Target, Timing

TIMEOUT_S = 5.0


async def _no_command(_: list[str]) -> tuple[int, bytes]:
    raise OSError(24, "Too many open files")


TARGET = Target("127.0.0.1", {}, _no_command)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """The port of a server that sends the same bytes to everybody."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _check(probe: JsonObject) -> ProbeResult:
    return await probes.check(probe, TARGET, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize(
    ("answer", "ok", "message"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", True, "204"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False, "statuscode: 503"),
        (b"SSH-2.0-OpenSSH\r\n", False, "malformed HTTP response"),
        (b"", False, "malformed HTTP response"),
        (b"x" * 200_000, False, "the first line exceeds 65536 bytes"),
        (b"HTTP/1.1 \xb2\xb3\r\n", False, "malformed HTTP response"),
    ],
)
async def test_http(answer: bytes, ok: bool, message: str) -> None:
    async with answering(answer) as port:
        result = await _check({"httpGet": {"port": port}})
    assert result.ok is ok
    assert message in result.message


@pytest.mark.parametrize(
    "probe",
    [
        {"exec": {"command": ["true"]}},
        {"httpGet": {"port": 99_999}},
        {"httpGet": {"port": 80, "host": "a" * 64 + ".example"}},
        {"tcpSocket": {}},
        {"grpc": {"port": 1, "service": 5}},
        {"grpc": {"port": 1, "service": "s" * 70_000}},
        {},
    ],
)
async def test_whatever_goes_wrong_is_a_failed_probe(probe: JsonObject) -> None:
    result = await _check(probe)
    assert not result.ok
    assert result.message


async def test_a_hook_that_cannot_be_run_says_why() -> None:
    class Running:
        async def wait(self) -> int:
            return await asyncio.Event().wait()

    problem = await run_hook({"exec": {"command": ["true"]}}, TARGET, Running())
    assert "Too many open files" in problem


@asynccontextmanager
async def health_service(status_of: Callable[[str], int]) -> AsyncIterator[int]:
    async def check(request: StringValue, _: object) -> Int32Value:
        return Int32Value(value=status_of(request.value))

    handler = grpc.unary_unary_rpc_method_handler(
        check, request_deserializer=StringValue.FromString, response_serializer=Int32Value.SerializeToString
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 300, 20_000])
async def test_grpc_services_of_any_length(length: int) -> None:
    wanted = "s" * length
    async with health_service(lambda name: 1 if name == wanted else 2) as port:
        assert (await _check({"grpc": {"port": port, "service": wanted}})).ok
        assert not (await _check({"grpc": {"port": port, "service": wanted + "x"}})).ok


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        ({"httpGet": {"port": 1}}, 'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused'),
        (
            {"httpGet": {"port": 1, "path": "ready", "scheme": "HTTPS"}},
            'Get "https://127.0.0.1:1/ready": dial tcp 127.0.0.1:1: connect: connection refused',
        ),
        ({"tcpSocket": {"port": 1}}, "dial tcp 127.0.0.1:1: connect: connection refused"),
    ],
)
async def test_who_does_not_listen_is_told_in_the_words_of_the_kubelet(probe: JsonObject, message: str) -> None:
    assert (await _check(probe)).message == message


async def test_who_does_not_answer_is_told_in_the_words_of_the_kubelet() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        result = await probes.check({"httpGet": {"port": port}}, TARGET, timeout_s=0.05)
    assert result.message == (
        f'Get "http://127.0.0.1:{port}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    )


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.0, 10.0), (4.0, 6.0), (10.0, 0.0), (25.0, 0.0)])
def test_a_period_goes_from_one_attempt_to_the_next(took_s: float, pause_s: float) -> None:
    assert Timing.of({"periodSeconds": 10}).pause_s(took_s) == pause_s
