"""Cluster DNS: answers for Services and pods from memory, forwards what is outside the cluster's domain.

The address family is IPv4; AAAA of a known name is an empty answer, not an error. Forwarding uses a socket that was
opened in the machine's own network, since the node has no way out.
"""

import asyncio
import contextlib
import ipaddress
import random
import struct
from bisect import bisect_right
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from dnslib import CNAME, EDNS0, PTR, QTYPE, RCODE, RR, SRV, A, DNSError, DNSRecord

from crossfade_kube.meta import NamespacedName
from crossfade_local.dns_forwarder import Forwarder, framed, read_message
from crossfade_local.service_table import ServiceEntry, ServiceTable

DOMAIN: Final = "cluster.local"
_TTL_S: Final = 5
_MAX_CHAIN: Final = 8
_FOLLOWED: Final = ("A", "AAAA")
_MAX_UDP: Final = 1232
_CLASSIC_UDP: Final = 512
# How long a connection may be without a question.
_IDLE_S: Final = 10.0
_BAD_VERSION: Final = 1


class Answer(NamedTuple):
    """`records` for the question's type; a name that exists without any is `exists` with none.

    `rest` is a name outside of the cluster to which they lead, whose records belong to the answer.
    """

    exists: bool
    records: tuple[RR, ...] = ()
    rest: str = ""


def answer_question(name: str, kind: str, table: ServiceTable) -> Answer | None:
    """None: not ours, ask elsewhere. `name` without its final dot, in lower case.

    ExternalNames that lead to each other are followed for eight steps; the answer is then what was found so far.
    """
    answer = _answer_once(name, kind, table)
    chain: tuple[RR, ...] = ()
    while answer and kind in _FOLLOWED and len(chain) < _MAX_CHAIN and (target := _target(answer)):
        chain += answer.records
        following = _answer_once(target, kind, table)
        if following is None:
            return Answer(exists=True, records=chain, rest=target)
        answer = following
    return answer and Answer(exists=bool(chain) or answer.exists, records=chain + answer.records)


def _target(answer: Answer) -> str:
    aliases = [record for record in answer.records if record.rtype == QTYPE.CNAME]
    return str(aliases[0].rdata).rstrip(".").lower() if aliases else ""


def _answer_once(name: str, kind: str, table: ServiceTable) -> Answer | None:
    labels = name.split(".")
    if labels[-2:] == ["in-addr", "arpa"]:
        return _reverse(labels[:-2], kind, table)
    suffix = DOMAIN.split(".")
    if labels[-len(suffix) :] != suffix:
        return _other_name(name, kind, table)
    inner = labels[: -len(suffix)]
    if not inner:
        return Answer(exists=True)
    match inner[-1]:
        case "svc":
            return _service(name, inner[:-1], kind, table)
        case "pod":
            return _pod(name, inner[:-1], kind)
    return Answer(exists=False)


def _other_name(name: str, kind: str, table: ServiceTable) -> Answer | None:
    """What a Service is called besides; of several the first by namespace and name."""
    entry = min((entry for entry in table.values() if name in entry.other_names), key=lambda one: one.key, default=None)
    if entry is None:
        return None
    if entry.external_name:
        return Answer(exists=True, records=(_record(name, CNAME(entry.external_name)),))
    return _addresses(name, _addresses_of(entry), kind)


def _addresses_of(entry: ServiceEntry) -> list[str]:
    return [ip for _, ip in entry.hosts] if entry.is_headless else [entry.cluster_ip]


def _service(name: str, labels: list[str], kind: str, table: ServiceTable) -> Answer:
    if len(labels) < 2:
        known = not labels or any(key.namespace == labels[0] for key in table)
        return Answer(exists=known)
    entry = table.get(NamespacedName(labels[-1], labels[-2]))
    if entry is None:
        return Answer(exists=False)
    rest = labels[:-2]
    if entry.external_name:
        return Answer(exists=not rest, records=() if rest else (_record(name, CNAME(entry.external_name)),))
    if not rest:
        return _addresses(name, _addresses_of(entry), kind)
    if len(rest) == 2 and all(label.startswith("_") for label in rest):
        return _ports(name, rest, entry, kind)
    if len(rest) == 1 and entry.is_headless:
        found = [ip for hostname, ip in entry.hosts if rest[0] in (hostname, _dashed(ip))]
        return _addresses(name, found, kind) if found else Answer(exists=False)
    return Answer(exists=False)


def _addresses(name: str, addresses: list[str], kind: str) -> Answer:
    if kind not in ("A", "ANY"):
        return Answer(exists=True)
    return Answer(exists=True, records=tuple(_record(name, A(address)) for address in dict.fromkeys(addresses)))


def _ports(name: str, labels: list[str], entry: ServiceEntry, kind: str) -> Answer:
    wanted, protocol = (label[1:] for label in labels)
    target = f"{entry.key.name}.{entry.key.namespace}.svc.{DOMAIN}"
    found = [port for port in entry.ports if port.name == wanted and port.protocol.lower() == protocol]
    if not found:
        return Answer(exists=False)
    if kind not in ("SRV", "ANY"):
        return Answer(exists=True)
    if entry.is_headless:
        hosts = {ip: hostname or _dashed(ip) for hostname, ip in entry.hosts}
        targets = [(f"{hosts.get(one.address, _dashed(one.address))}.{target}", one.port) for one in found[0].endpoints]
    else:
        targets = [(target, found[0].port)]
    return Answer(exists=True, records=tuple(_record(name, SRV(0, 100, port, host)) for host, port in targets))


def _pod(name: str, labels: list[str], kind: str) -> Answer:
    """`10-244-0-16.NAMESPACE.pod`: the name itself says the address."""
    try:
        address = str(ipaddress.IPv4Address(labels[0].replace("-", "."))) if len(labels) == 2 else ""
    except ValueError:
        address = ""
    return _addresses(name, [address], kind) if address else Answer(exists=False)


def _reverse(labels: list[str], kind: str, table: ServiceTable) -> Answer | None:
    address = ".".join(reversed(labels))
    for entry in table.values():
        if entry.cluster_ip == address:
            target = f"{entry.key.name}.{entry.key.namespace}.svc.{DOMAIN}"
            name = ".".join([*labels, "in-addr", "arpa"])
            return Answer(exists=True, records=(_record(name, PTR(target)),) if kind in ("PTR", "ANY") else ())
    return Answer(exists=False) if address.startswith(("10.96.", "10.244.")) else None


def _record(name: str, data: A | CNAME | PTR | SRV) -> RR:
    kind = getattr(QTYPE, type(data).__name__)
    return RR(name, kind, rdata=data, ttl=_TTL_S)


def _dashed(address: str) -> str:
    return address.replace(".", "-")


class DnsServer:
    """Serves UDP and TCP on one address. `table` gives the current Services."""

    def __init__(self, table: Callable[[], ServiceTable], forwarder: "Forwarder | None") -> None:
        self._table = table
        self._forwarder = forwarder

    async def serve(self, address: str, port: int = 53) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(address, port))
        try:
            server = await asyncio.start_server(self._serve_stream, address, port)
            async with server:
                await server.serve_forever()
        finally:
            transport.close()

    async def respond(self, query: bytes, *, limit: int | None) -> bytes | None:
        """The answer to one message, cut to `limit` bytes for UDP; None for what is no DNS query.

        Who gets a part is told, and may ask again over TCP."""
        try:
            request = DNSRecord.parse(query)
        except (DNSError, struct.error, IndexError, ValueError):
            return None
        if request.header.qr or not request.questions:
            return None
        if _version(request):
            return _packed(request, _bad_version(request), limit)
        name = str(request.q.qname).rstrip(".").lower()
        answer = answer_question(name, str(QTYPE[request.q.qtype]), self._table())
        if answer is None:
            answered = await self._ask(query, whole=limit is None)
            return answered or _packed(request, _servfail(request), limit)
        return _packed(request, await self._complete(request, answer), limit)

    async def _complete(self, request: DNSRecord, answer: Answer) -> DNSRecord:
        reply = request.reply()
        for record in _shuffled(answer.records):
            if record.rname == request.q.qname:
                # As the client wrote it.
                record.rname = request.q.qname
            reply.add_answer(record)
        if not answer.exists:
            reply.header.rcode = RCODE.NXDOMAIN
        if answer.rest:
            question = DNSRecord.question(answer.rest, QTYPE[request.q.qtype])
            found = await self._ask(bytes(question.pack()), whole=True)
            try:
                reply.add_answer(*DNSRecord.parse(found or b"").rr)
            except (DNSError, struct.error, IndexError, ValueError):
                return _servfail(request)
        return reply

    async def _ask(self, query: bytes, *, whole: bool) -> bytes | None:
        """What the machine's resolver says, if it does."""
        if self._forwarder:
            with contextlib.suppress(TimeoutError, OSError):
                return await self._forwarder.ask(query, whole=whole)
        return None

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(_IDLE_S):
                    query = await read_message(reader)
                answer = await self.respond(query, limit=None)
                if answer is None:
                    break
                writer.write(framed(answer))
                async with asyncio.timeout(_IDLE_S):
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._answering: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, data: bytes, peer: tuple[str, int]) -> None:
        if answer := await self._server.respond(data, limit=_MAX_UDP):
            self._transport.sendto(answer, peer)


def _servfail(request: DNSRecord) -> DNSRecord:
    reply = request.reply()
    reply.header.rcode = RCODE.SERVFAIL
    return reply


def _bad_version(request: DNSRecord) -> DNSRecord:
    reply = request.reply()
    reply.add_ar(EDNS0(ext_rcode=_BAD_VERSION, udp_len=_MAX_UDP))
    return reply


def _shuffled(records: tuple[RR, ...]) -> list[RR]:
    """Addresses in any order, so that clients that take the first spread over all; aliases lead to them in theirs."""
    addresses = [record for record in records if record.rtype == QTYPE.A]
    random.shuffle(addresses)
    return [*(record for record in records if record.rtype != QTYPE.A), *addresses]


def _packed(request: DNSRecord, reply: DNSRecord, limit: int | None) -> bytes:
    """With EDNS where the client speaks it. What does not fit is left out, which the reply then says."""
    edns = _edns(request)
    if edns is not None and not reply.ar:
        reply.add_ar(EDNS0(udp_len=_MAX_UDP))
    whole = bytes(reply.pack())
    if limit is None:
        return whole
    # A client that advertises less than it always had to take means that.
    most = min(limit, max(_CLASSIC_UDP, int(edns.rclass)) if edns is not None else _CLASSIC_UDP)
    if len(whole) <= most:
        return whole
    records, reply.header.tc = reply.rr, 1

    def with_first(count: int) -> bytes:
        reply.rr = records[:count]
        return bytes(reply.pack())

    fitting = bisect_right(range(len(records)), most, key=lambda count: len(with_first(count))) - 1
    return with_first(max(fitting, 0))


def _edns(request: DNSRecord) -> RR | None:
    return next((record for record in request.ar if record.rtype == QTYPE.OPT), None)


def _version(request: DNSRecord) -> int:
    """Of EDNS; there is only 0."""
    edns = _edns(request)
    return (int(edns.ttl) >> 16) & 0xFF if edns is not None else 0
