"""A name server on loopback that knows a few addresses."""

import socketserver
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dnslib import QTYPE, RCODE, RR, A, DNSRecord

from tests.support.serving import serving


@contextmanager
def name_server(addresses: Mapping[str, str]) -> Iterator[tuple[int, list[str]]]:
    """Its port, and the names that it was asked for; other names do not exist."""
    asked: list[str] = []

    class Answering(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query = DNSRecord.parse(self.request[0])
            name = str(query.q.qname).rstrip(".")
            asked.append(name)
            reply = query.reply()
            if name not in addresses:
                reply.header.rcode = RCODE.NXDOMAIN
            elif query.q.qtype == QTYPE.A:
                reply.add_answer(RR(name, QTYPE.A, rdata=A(addresses[name]), ttl=3600))
            self.request[1].sendto(reply.pack(), self.client_address)

    server = socketserver.UDPServer(("127.0.0.1", 0), Answering)
    with serving(server):
        yield server.server_address[1], asked
