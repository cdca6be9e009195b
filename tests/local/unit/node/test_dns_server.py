"""The DNS server over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dnslib import EDNS0, RCODE, DNSRecord

from crossfade_local import dns, dns_forwarder
from crossfade_local.dns import DnsServer
from crossfade_local.dns_forwarder import Forwarder, ResolverAwayError, framed, read_message
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
    writer.write(framed(query))
    answer = DNSRecord.parse(await read_message(reader))
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


@pytest.mark.parametrize(("size", "most"), [(None, 512), (100, 512), (1000, 1000), (4096, 1232)])
async def test_long_answer_goes_over_tcp(port: int, size: int | None, most: int) -> None:
    query = DNSRecord.question("crowd.prod.svc.cluster.local")
    if size:
        query.add_ar(EDNS0(udp_len=size))
    part = await ask_udp(port, query.pack())
    assert part.header.tc
    assert str(part.q.qname) == "crowd.prod.svc.cluster.local."
    # What fits is there: one record more, of 16 bytes, would be too much.
    assert most - 16 < len(part.pack()) <= most
    assert bool(part.ar) is bool(size)
    whole = await ask_tcp(port, query.pack())
    assert (whole.header.tc, len(whole.rr)) == (0, MANY)
    assert {str(record.rdata) for record in part.rr} < {str(record.rdata) for record in whole.rr}


async def test_addresses_come_in_any_order(port: int) -> None:
    query = DNSRecord.question("crowd.prod.svc.cluster.local").pack()
    firsts = {str((await ask_udp(port, query)).rr[0].rdata) for _ in range(20)}
    assert len(firsts) > 1


async def test_one_connection_takes_many_questions(port: int) -> None:
    query = bytes(DNSRecord.question("crowd.prod.svc.cluster.local").pack())
    reader, writer = await asyncio.open_connection(ADDRESS, port)
    writer.write(framed(query) * 3)
    for _ in range(3):
        assert len(DNSRecord.parse(await read_message(reader)).rr) == MANY
    writer.close()


async def test_a_connection_without_questions_ends(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "_IDLE_S", 0.05)
    reader, writer = await asyncio.open_connection(ADDRESS, port)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


async def test_an_unknown_version_of_edns_is_refused(port: int) -> None:
    query = DNSRecord.question("jazz.prod.svc.cluster.local")
    query.add_ar(EDNS0(version=1, udp_len=1232))
    answer = await ask_udp(port, query.pack())
    (edns,) = answer.ar
    assert (int(edns.ttl) >> 24, answer.rr) == (1, [])


async def test_garbage_is_ignored(port: int) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((ADDRESS, port))
        await loop.sock_sendall(client, b"\x00" * 7)
    answer = await ask_udp(port, DNSRecord.question("jazz.prod.svc.cluster.local").pack())
    assert answer.rr


class Upstream:
    """A resolver of the machine; silent when it has nothing to say."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, 0))
        self.socket.setblocking(False)
        self.asked: list[str] = []
        self.zone = ""
        self.cuts = False
        self.stream_address = ("", 0)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            received, peer = await loop.sock_recvfrom(self.socket, 4096)
            query = DNSRecord.parse(received)
            self.asked.append(str(query.q.qname))
            if self.zone:
                reply = query.replyZone(self.zone)
                await loop.sock_sendto(self.socket, (reply.truncate() if self.cuts else reply).pack(), peer)

    async def serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = DNSRecord.parse(await read_message(reader))
        writer.write(framed(bytes(query.replyZone(self.zone).pack())))
        writer.close()

    async def connect(self) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, self.stream_address)
        return made


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    found = Upstream()
    running = asyncio.create_task(found.run())
    async with await asyncio.start_server(found.serve_stream, ADDRESS, 0) as server:
        found.stream_address = server.sockets[0].getsockname()
        yield found
    running.cancel()
    found.socket.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def forwarder(upstream: Upstream, clock: Clock) -> AsyncIterator[Forwarder]:
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ours.connect(upstream.socket.getsockname())
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, forwarder = await loop.create_datagram_endpoint(
        lambda: Forwarder(connect=upstream.connect, clock=clock), sock=ours
    )
    yield forwarder
    transport.close()


async def test_answers_are_kept_for_their_time(upstream: Upstream, forwarder: Forwarder, clock: Clock) -> None:
    upstream.zone = "example.org. 20 IN A 192.0.2.7"
    for _ in range(3):
        query = DNSRecord.question("example.org")
        answer = DNSRecord.parse(await forwarder.ask(bytes(query.pack())))
        assert answer.header.id == query.header.id
        assert str(answer.rr[0].rdata) == "192.0.2.7"
    assert len(upstream.asked) == 1
    clock.now += 21
    await forwarder.ask(bytes(DNSRecord.question("example.org").pack()))
    assert len(upstream.asked) == 2


async def test_a_silent_resolver_costs_one_wait(
    upstream: Upstream, forwarder: Forwarder, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_forwarder, "_TIMEOUT_S", 0.05)
    query = bytes(DNSRecord.question("example.org").pack())
    with pytest.raises(TimeoutError):
        await forwarder.ask(query)
    for _ in range(3):
        with pytest.raises(ResolverAwayError):
            await forwarder.ask(query)
    assert len(upstream.asked) == 1
    upstream.zone = "example.org. 0 IN A 192.0.2.7"
    clock.now += 6
    assert DNSRecord.parse(await forwarder.ask(query)).rr
    assert DNSRecord.parse(await forwarder.ask(query)).rr


async def test_what_a_resolver_cuts_is_asked_for_over_tcp(upstream: Upstream, forwarder: Forwarder) -> None:
    upstream.zone = "\n".join(f"example.org. 20 IN A 192.0.2.{number}" for number in range(99))
    upstream.cuts = True
    server = DnsServer(lambda: CHAINS, forwarder)
    query = bytes(DNSRecord.question("example.org").pack())
    cut = DNSRecord.parse(await server.respond(query, limit=1232) or b"")
    assert (cut.header.tc, cut.rr) == (1, [])
    whole = DNSRecord.parse(await server.respond(query, limit=None) or b"")
    assert (whole.header.tc, len(whole.rr)) == (0, 99)
    alias = DNSRecord.question("outside.prod.svc.cluster.local").pack()
    followed = DNSRecord.parse(await server.respond(alias, limit=None) or b"")
    assert len(followed.rr) == 100


def external(name: str, target: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "prod"},
        "spec": {"type": "ExternalName", "externalName": target, "ports": []},
    }


CHAINS = build_table(
    [
        *SERVICES,
        external("alias", "jazz.prod.svc.cluster.local"),
        external("twice", "Alias.prod.svc.cluster.local."),
        external("outside", "example.org"),
        external("loop", "back.prod.svc.cluster.local"),
        external("back", "loop.prod.svc.cluster.local"),
        external("dangling", "nobody.prod.svc.cluster.local"),
    ],
    [],
)


@pytest.mark.parametrize(
    ("name", "rcode", "found"),
    [
        ("alias", RCODE.NOERROR, ["jazz.prod.svc.cluster.local.", "10.96.0.20"]),
        ("twice", RCODE.NOERROR, ["Alias.prod.svc.cluster.local.", "jazz.prod.svc.cluster.local.", "10.96.0.20"]),
        ("outside", RCODE.NOERROR, ["example.org.", "192.0.2.7"]),
        (
            "loop",
            RCODE.NOERROR,
            ["back.prod.svc.cluster.local.", "loop.prod.svc.cluster.local."] * 4 + ["back.prod.svc.cluster.local."],
        ),
        ("dangling", RCODE.NOERROR, ["nobody.prod.svc.cluster.local."]),
    ],
)
async def test_external_names_are_followed(
    upstream: Upstream, forwarder: Forwarder, name: str, rcode: int, found: list[str]
) -> None:
    upstream.zone = "example.org. 20 IN A 192.0.2.7"
    server = DnsServer(lambda: CHAINS, forwarder)
    answer = await server.respond(DNSRecord.question(f"{name}.prod.svc.cluster.local").pack(), limit=None)
    assert answer is not None
    read = DNSRecord.parse(answer)
    assert (read.header.rcode, [str(record.rdata) for record in read.rr]) == (rcode, found)
    assert str(read.rr[0].rname) == f"{name}.prod.svc.cluster.local."


async def test_a_name_outside_that_nobody_resolves_fails() -> None:
    query = DNSRecord.question("outside.prod.svc.cluster.local").pack()
    answer = await DnsServer(lambda: CHAINS, None).respond(query, limit=None)
    assert answer is not None
    assert DNSRecord.parse(answer).header.rcode == RCODE.SERVFAIL
