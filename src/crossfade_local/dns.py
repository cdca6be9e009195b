"""Cluster DNS: answers for Services and pods from memory, forwards what is outside the cluster's domain.

The address family is IPv4; AAAA of a known name is an empty answer, not an error. Forwarding uses a socket that was
opened in the machine's own network, since the node has no way out.
"""

import asyncio
import contextlib
import ipaddress
import struct
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from dnslib import CNAME, PTR, QTYPE, RCODE, RR, SRV, A, DNSError, DNSRecord

from crossfade_kube.meta import NamespacedName
from crossfade_local.dns_forwarder import Forwarder
from crossfade_local.service_table import ServiceEntry, ServiceTable

DOMAIN: Final = "cluster.local"
_TTL_S: Final = 5
_MAX_CHAIN: Final = 8
_FOLLOWED: Final = ("A", "AAAA")
_MAX_UDP: Final = 1232
_CLASSIC_UDP: Final = 512


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
        """The answer to one message, cut to `limit` bytes for UDP; None for what is no DNS query."""
        try:
            request = DNSRecord.parse(query)
        except (DNSError, struct.error, IndexError, ValueError):
            return None
        if request.header.qr or not request.questions:
            return None
        name = str(request.q.qname).rstrip(".").lower()
        answer = answer_question(name, str(QTYPE[request.q.qtype]), self._table())
        if answer is None:
            return await self._ask(query) or bytes(_servfail(request).pack())
        reply = await self._complete(request, answer)
        packed = bytes(reply.pack())
        if limit is not None and len(packed) > min(limit, _advertised(request)):
            packed = bytes(reply.truncate().pack())
        return packed

    async def _complete(self, request: DNSRecord, answer: Answer) -> DNSRecord:
        reply = request.reply()
        for record in answer.records:
            if record.rname == request.q.qname:
                # As the client wrote it.
                record.rname = request.q.qname
            reply.add_answer(record)
        if not answer.exists:
            reply.header.rcode = RCODE.NXDOMAIN
        if answer.rest:
            question = DNSRecord.question(answer.rest, QTYPE[request.q.qtype])
            found = await self._ask(bytes(question.pack()))
            try:
                reply.add_answer(*DNSRecord.parse(found or b"").rr)
            except (DNSError, struct.error, IndexError, ValueError):
                return _servfail(request)
        return reply

    async def _ask(self, query: bytes) -> bytes | None:
        """What the machine's resolver says, if it does."""
        if self._forwarder:
            with contextlib.suppress(TimeoutError, OSError):
                return await self._forwarder.ask(query)
        return None

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = await self.respond(await reader.readexactly(length), limit=None)
                if answer is None:
                    break
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
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


def _advertised(request: DNSRecord) -> int:
    """How much the client takes over UDP: what its EDNS record says, else the classic limit."""
    for record in request.ar:
        if record.rtype == QTYPE.OPT:
            return max(_CLASSIC_UDP, int(record.rclass))
    return _CLASSIC_UDP
