"""Ports of the machine for LoadBalancer Services, with real connections."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import cast

import pytest

from crossfade_kube.meta import NamespacedName
from crossfade_local.load_balancer import LoadBalancer, OpenedPort, wants
from crossfade_local.relay import Listening
from crossfade_local.service_table import Endpoint, ServiceEntry, ServicePort, ServiceTable
from tests.support.waiting import eventually

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def entry(name: str, *ports: int, created: str = OLD, kind: str = "LoadBalancer") -> ServiceEntry:
    offered = tuple(ServicePort("", "TCP", port, 0, ()) for port in ports)
    return ServiceEntry(NamespacedName("prod", name), kind, "127.0.0.1", offered, created=created)


def table(*entries: ServiceEntry) -> ServiceTable:
    return {each.key: each for each in entries}


def test_age_decides_who_asks_first() -> None:
    found = wants(table(entry("late", 80, created=NEW), entry("early", 80), entry("inner", 80, kind="ClusterIP")))
    assert [want.service.name for want in found] == ["early", "late"]


class Harness:
    """A balancer whose Services have their cluster address on this machine's loopback."""

    def __init__(self) -> None:
        self.published: dict[str, list[OpenedPort]] = {}
        self.prepared = {"http": self.listen(), "https": self.listen()}
        self.told: list[list[str]] = []
        self.balancer = LoadBalancer(
            dict(self.prepared), open_port=self.open_port, publish=self.publish, changed=self.changed
        )

    @staticmethod
    def listen() -> Listening:
        found = socket.create_server(("127.0.0.1", 0))
        return Listening(found, found.getsockname()[1])

    async def open_port(self, port: int, protocol: str) -> Listening:  # noqa: ARG002 - any will do
        if protocol == "TCP":
            return self.listen()
        found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        found.bind(("127.0.0.1", 0))
        return Listening(found, found.getsockname()[1])

    def changed(self) -> None:
        self.told.append([key.name for key in self.balancer.opened])

    async def publish(self, service: ServiceEntry, ports: list[OpenedPort]) -> None:
        self.published[service.key.name] = ports

    async def show(self, *entries: ServiceEntry) -> None:
        self.published.clear()
        self.balancer.update(table(*entries))
        await eventually(lambda: {each.key for each in entries} == set(self.balancer.opened))

    def ports(self, name: str) -> dict[int, int]:
        """Those of the machine, by the Service's."""
        return {one.port: one.of_machine for one in self.balancer.opened[NamespacedName("prod", name)]}


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    found = Harness()
    running = asyncio.create_task(found.balancer.run())
    yield found
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_first_service_gets_the_prepared_listener(harness: Harness) -> None:
    await harness.show(entry("kong", 80, 443, 9000), entry("other", 80, created=NEW))
    kong, other = harness.ports("kong"), harness.ports("other")
    assert (kong[80], kong[443]) == (harness.prepared["http"].port, harness.prepared["https"].port)
    assert other[80] not in (kong[80], kong[443], kong[9000])
    assert harness.published["kong"] == [OpenedPort(port, "TCP", kong[port]) for port in (80, 443, 9000)]


async def test_listener_is_free_again_after_its_service(harness: Harness) -> None:
    await harness.show(entry("kong", 80))
    await harness.show()
    await harness.show(entry("next", 80))
    assert harness.published["next"] == [OpenedPort(80, "TCP", harness.prepared["http"].port)]


async def test_what_is_opened_and_closed_is_told(harness: Harness) -> None:
    await harness.show(entry("a", 80))
    await harness.show(entry("a", 80))
    await harness.show(entry("a", 80), entry("b", 8080))
    await harness.show()
    await eventually(lambda: harness.told == [["a"], ["a", "b"], []])


async def test_relay_carries_both_directions_and_their_ends(harness: Harness) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    async with server:
        await harness.show(entry("kong", server.sockets[0].getsockname()[1]))
        (port,) = harness.ports("kong").values()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 3_000_000)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 10) == b"X" * 3_000_000
        writer.close()
        await writer.wait_closed()


class Shouting(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data.upper(), addr)


async def ask(client: socket.socket, port: int, said: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendto(client, said, ("127.0.0.1", port))
    return await asyncio.wait_for(loop.sock_recv(client, 100), 5)


async def test_datagrams_go_to_the_service_and_back_to_their_client(harness: Harness) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Shouting, local_addr=("127.0.0.1", 0))
    number = transport.get_extra_info("sockname")[1]
    both = tuple(ServicePort(protocol, protocol, number, 0, ()) for protocol in ("TCP", "UDP"))
    await harness.show(entry("dns")._replace(ports=both))
    (_, port) = harness.balancer.opened[NamespacedName("prod", "dns")]
    assert port.protocol == "UDP"
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for client in clients:
        client.setblocking(False)
    said = await asyncio.gather(*(ask(one, port.of_machine, b"from %d" % at) for at, one in enumerate(clients)))
    assert said == [b"FROM 0", b"FROM 1"]
    assert await ask(clients[0], port.of_machine, b"again") == b"AGAIN"
    for client in clients:
        client.close()
    transport.close()


async def test_port_without_a_service_resets(harness: Harness) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.prepared["http"].port)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()


async def test_unready_endpoints_serve_while_none_is_ready(harness: Harness) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"still here")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        alive = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        port = ServicePort("", "TCP", 80, 0, (), (alive,))
        await harness.show(entry("kong", 80)._replace(ports=(port,), cluster_ip="127.255.255.254"))
        reader, writer = await asyncio.open_connection("127.0.0.1", harness.prepared["http"].port)
        assert await asyncio.wait_for(reader.read(), 5) == b"still here"
        writer.close()
        await writer.wait_closed()
