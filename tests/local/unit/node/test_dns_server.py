"""The DNS server over real sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest
from dnslib import QTYPE, RCODE, DNSRecord

from crossfade_local.dns import DnsServer, Forwarder
from crossfade_local.service_table import build_table

ADDRESS = "127.0.0.1"
MANY = 200
SERVICES = [
    {"metadata": {"name": "jazz", "namespace": "prod"}, "spec": {"clusterIP": "10.96.0.20", "ports": []}},
    {"metadata": {"name": "crowd", "namespace": "prod"}, "spec": {"clusterIP": "None", "ports": []}},
]
SLICES = [
    {
        "metadata": {"name": "crowd", "namespace": "prod", "labels": {"kubernetes.io/service-name": "crowd"}},
        "endpoints": [{"addresses": [f"10.244.1.{number}"]} for number in range(MANY)],
    }
]


@pytest.fixture
async def port() -> AsyncIterator[int]:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        free = probe.getsockname()[1]
    table = build_table(SERVICES, SLICES)
    serving = asyncio.create_task(DnsServer(lambda: table, None).serve(ADDRESS, free))
    while True:
        try:
            _, writer = await asyncio.open_connection(ADDRESS, free)
        except ConnectionRefusedError:
            await asyncio.sleep(0)
        else:
            writer.close()
            break
    yield free
    serving.cancel()


async def ask_udp(port: int, query: bytes) -> DNSRecord:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((ADDRESS, port))
        await loop.sock_sendall(client, query)
        return DNSRecord.parse(await asyncio.wait_for(loop.sock_recv(client, 4096), 5))


async def ask_tcp(port: int, query: bytes) -> DNSRecord:
    reader, writer = await asyncio.open_connection(ADDRESS, port)
    writer.write(struct.pack("!H", len(query)) + query)
    (length,) = struct.unpack("!H", await reader.readexactly(2))
    answer = DNSRecord.parse(await reader.readexactly(length))
    writer.close()
    return answer


async def test_case_of_the_question_is_kept(port: int) -> None:
    answer = await ask_udp(port, DNSRecord.question("JaZz.prod.svc.cluster.local").pack())
    assert str(answer.rr[0].rname) == "JaZz.prod.svc.cluster.local."
    assert str(answer.rr[0].rdata) == "10.96.0.20"


async def test_address_family_that_is_not_there_is_no_error(port: int) -> None:
    answer = await ask_udp(port, DNSRecord.question("jazz.prod.svc.cluster.local", "AAAA").pack())
    assert (answer.header.rcode, answer.rr) == (RCODE.NOERROR, [])


async def test_unknown_name(port: int) -> None:
    answer = await ask_udp(port, DNSRecord.question("blues.prod.svc.cluster.local").pack())
    assert answer.header.rcode == RCODE.NXDOMAIN


async def test_outside_name_without_a_resolver(port: int) -> None:
    answer = await ask_udp(port, DNSRecord.question("example.org").pack())
    assert answer.header.rcode == RCODE.SERVFAIL


async def test_long_answer_goes_over_tcp(port: int) -> None:
    query = DNSRecord.question("crowd.prod.svc.cluster.local").pack()
    assert (await ask_udp(port, query)).header.tc
    assert len((await ask_tcp(port, query)).rr) == MANY


async def test_garbage_is_ignored(port: int) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((ADDRESS, port))
        await loop.sock_sendall(client, b"\x00" * 7)
    answer = await ask_udp(port, DNSRecord.question("jazz.prod.svc.cluster.local").pack())
    assert answer.rr


async def test_forwarded_question_keeps_its_identifier() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
        upstream.bind((ADDRESS, 0))
        upstream.setblocking(False)
        ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ours.connect(upstream.getsockname())
        ours.setblocking(False)
        transport, forwarder = await loop.create_datagram_endpoint(Forwarder, sock=ours)
        query = DNSRecord.question("example.org")
        asking = asyncio.create_task(forwarder.ask(bytes(query.pack())))
        received, peer = await loop.sock_recvfrom(upstream, 4096)
        reply = DNSRecord.parse(received).reply()
        await loop.sock_sendto(upstream, reply.pack(), peer)
        answer = DNSRecord.parse(await asking)
        transport.close()
    assert answer.header.id == query.header.id
    assert answer.q.qtype == QTYPE.A
