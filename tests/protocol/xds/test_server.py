"""The server over real gRPC: who gets in, and what goes over the wire."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from crossfade.envoy.proto import cluster_v3, discovery_v3
from crossfade.envoy.resource_set import ResourceSet, ResourceType, encoded
from crossfade.xds.auth import NotAuthenticatedError, always, bearer_token, is_private_address
from crossfade.xds.port import open_port
from crossfade.xds.publisher import PeerRefusedError, Publisher, Subscription
from crossfade.xds.server import AdsServer
from crossfade_kube.logging import LineFormatter
from tests.support.waiting import eventually

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
CLUSTER = ResourceType.CLUSTER


def clusters(*names: str) -> ResourceSet:
    return ResourceSet({CLUSTER: {name: encoded(name, cluster_v3.Cluster(name=name)) for name in names}})


def open_stream(channel: grpc.aio.Channel, token: str = "") -> Any:
    call = channel.stream_stream(
        METHOD,
        request_serializer=discovery_v3.DeltaDiscoveryRequest.SerializeToString,
        response_deserializer=discovery_v3.DeltaDiscoveryResponse.FromString,
    )
    return call(metadata=(("authorization", f"Bearer {token}"),) if token else ())


async def only_p(metadata: Mapping[str, str]) -> str:
    if bearer_token(metadata) != "good":
        raise NotAuthenticatedError("the token is not valid")
    return "p"


async def test_a_proxy_gets_its_own_resources_and_their_changes() -> None:
    publisher = Publisher()
    publisher.publish("p", clusters("a"))
    publisher.publish("other", clusters("secret"))
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=only_p)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stream = open_stream(channel, "good")
        request = discovery_v3.DeltaDiscoveryRequest(type_url=CLUSTER)
        request.node.id = "ns/pod"
        await stream.write(request)
        first = await stream.read()
        assert [entry.name for entry in first.resources] == ["a"]
        assert publisher.connected() == {"p": ["ns/pod"]}
        publisher.publish("p", clusters("a", "b"))
        second = await stream.read()
        assert [entry.name for entry in second.resources] == ["b"]
        stream.cancel()
        await eventually(lambda: not publisher.connected())
    await server.stop()


async def test_what_a_proxy_has_answered_for_is_taken() -> None:
    told: list[str] = []
    publisher = Publisher(on_taken=told.append)
    publisher.publish("p", clusters("a"))
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=only_p)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stream = open_stream(channel, "good")
        await stream.write(discovery_v3.DeltaDiscoveryRequest(type_url=CLUSTER))
        first = await stream.read()
        assert told == []
        await stream.write(discovery_v3.DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce=first.nonce))
        await eventually(lambda: told == ["p"])
        publisher.publish("p", clusters("a", "b"))
        second = await stream.read()
        assert not publisher.is_taken("p")
        refusal = discovery_v3.DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce=second.nonce)
        refusal.error_detail.message = "no"
        await stream.write(refusal)
        await eventually(lambda: publisher.is_taken("p"))
        assert told == ["p", "p"]
        stream.cancel()
    await server.stop()


async def test_a_proxy_that_is_not_what_it_should_be_is_told_so_and_gets_nothing() -> None:
    class Refusing:
        def introduced(self, subscription: Subscription) -> None:
            raise PeerRefusedError(f"headers cannot be {subscription.told['headers']}")

        def left(self, subscription: Subscription) -> None:
            left.append(subscription.node)

    left: list[str] = []
    publisher = Publisher(peers=Refusing())
    publisher.publish("p", clusters("a"))
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=only_p)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stream = open_stream(channel, "good")
        request = discovery_v3.DeltaDiscoveryRequest(type_url=CLUSTER)
        request.node.id = "ns/pod"
        request.node.metadata.update({"kong": {"headers": "odd"}})
        await stream.write(request)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stream.read()
        assert (raised.value.code(), raised.value.details()) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "headers cannot be odd",
        )
    await server.stop()
    assert left == ["ns/pod"]


@pytest.mark.parametrize("token", ["", "bad"])
async def test_without_a_good_token_there_is_nothing(token: str) -> None:
    server = await AdsServer.start(publisher=Publisher(), address="127.0.0.1:0", authenticate=only_p)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stream = open_stream(channel, token)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stream.read()
        assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    await server.stop()


async def test_a_unix_socket_will_do(tmp_path: Path) -> None:
    publisher = Publisher()
    publisher.publish("gateway", clusters("a"))
    address = f"unix:{tmp_path}/ads.sock"
    server = await AdsServer.start(publisher=publisher, address=address, authenticate=always("gateway"))
    async with grpc.aio.insecure_channel(address) as channel:
        stream = open_stream(channel)
        await stream.write(discovery_v3.DeltaDiscoveryRequest(type_url=CLUSTER))
        assert [entry.name for entry in (await stream.read()).resources] == ["a"]
        stream.cancel()
    await server.stop()


async def test_a_proxy_that_is_there_before_the_server_waits_for_it() -> None:
    port, publisher = open_port("127.0.0.1:0"), Publisher()
    # To a port that does not listen yet this connection would be refused.
    with socket.create_connection(("127.0.0.1", port.number), timeout=10):
        publisher.publish("gateway", clusters("a"))
        server = await AdsServer.start_on(port, publisher=publisher, authenticate=always("gateway"))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stream = open_stream(channel)
            await stream.write(discovery_v3.DeltaDiscoveryRequest(type_url=CLUSTER))
            assert [entry.name for entry in (await stream.read()).resources] == ["a"]
            stream.cancel()
        await server.stop()


async def test_others_are_never_served_in_plain_text() -> None:
    with pytest.raises(ValueError, match="without TLS"):
        await AdsServer.start(publisher=Publisher(), address="0.0.0.0:0", authenticate=always("p"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("unix:/run/x", True),
        ("0.0.0.0:1", False),
        ("10.0.0.1:1", False),
        ("localhost.test:1", False),
    ],
)
def test_private_addresses(address: str, expected: bool) -> None:
    assert is_private_address(address) is expected


async def test_a_refusal_is_logged_with_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    publisher = Publisher()
    publisher.publish("p", clusters("a"))
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=always("p"))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stream = open_stream(channel)
        request = discovery_v3.DeltaDiscoveryRequest(type_url=CLUSTER)
        request.node.id = "ns/pod"
        await stream.write(request)
        response = await stream.read()
        refusal = discovery_v3.DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce=response.nonce)
        refusal.error_detail.message = "no such thing"
        with caplog.at_level("WARNING"):
            await stream.write(refusal)
            await eventually(lambda: bool(caplog.records))
        stream.cancel()
        await eventually(lambda: not publisher.connected())
    await server.stop()
    line = LineFormatter().format(caplog.records[0])
    assert line.endswith(' WARNING xds.nack proxy=p node=ns/pod type=cluster resource=a reason="no such thing"')
