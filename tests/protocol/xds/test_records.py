"""Records over real gRPC, on the port of the configuration: who may send, and what the server makes of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from crossfade.xds.auth import NotAuthenticatedError, bearer_token
from crossfade.xds.publisher import Publisher
from crossfade.xds.records import LARGEST_CALL
from crossfade.xds.server import AdsServer

METHOD = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


class Server:
    """Knows the tokens `a` and `b`; counts how often it is asked about one."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.asked: list[str] = []

    async def authenticate(self, metadata: Mapping[str, str]) -> str:
        token = bearer_token(metadata)
        self.asked.append(token)
        if token not in ("a", "b"):
            raise NotAuthenticatedError("the token is not valid")
        return f"proxy-{token}"

    def receive(self, proxy: str, call: bytes) -> None:
        self.received.append((proxy, call))

    async def send(self, channel: grpc.aio.Channel, token: str, call: bytes) -> bytes:
        export = channel.unary_unary(METHOD)
        answer: bytes = await export(call, metadata=(("authorization", f"Bearer {token}"),), timeout=5)
        return answer

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        server = await AdsServer.start(
            publisher=Publisher(),
            address="127.0.0.1:0",
            authenticate=self.authenticate,
            receive=self.receive,
        )
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                yield channel
        finally:
            await server.stop()


async def test_what_proxies_send_arrives_under_their_own_names() -> None:
    server = Server()
    async with server.channel() as channel:
        assert await server.send(channel, "a", b"1") == b""
        await server.send(channel, "b", b"2")
        await server.send(channel, "a", b"3")
    assert server.received == [("proxy-a", b"1"), ("proxy-b", b"2"), ("proxy-a", b"3")]
    assert server.asked == ["a", "b"]


async def test_strangers_and_calls_that_are_too_large_bring_nothing() -> None:
    server = Server()
    async with server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await server.send(channel, "c", b"1")
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        await server.send(channel, "a", b"x" * (LARGEST_CALL + 1))
    assert server.received == []
