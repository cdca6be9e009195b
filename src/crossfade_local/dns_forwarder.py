"""Asks the machine's own resolver, remembers what it said, and does not wait for one that is away.

Its socket was opened in the machine's own network.
"""

import asyncio
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, cast

from dnslib import QTYPE, RCODE, DNSError, DNSRecord

_TIMEOUT_S: Final = 4.0
_SILENT_S: Final = 5.0
_LONGEST_S: Final = 30
_REMEMBERED: Final = 1000
_MAX_MESSAGE: Final = 4096
_MOST_UNDER_WAY: Final = 4096
# Where a message says whether it was cut.
_FLAGS: Final = 2
_CUT: Final = 0x02


class ResolverAwayError(OSError):
    """It has not answered lately."""


class _Remembered(NamedTuple):
    answer: bytes
    until: float


class Forwarder(asyncio.DatagramProtocol):
    """Over one connected UDP socket; new identifiers tell questions under way apart.

    Answers are kept for their time to live, half a minute at most. While the resolver is silent one question at a time
    waits for it; the others are told at once. `connect` gives a TCP connection to it, for answers that are larger.
    """

    def __init__(
        self, *, connect: Callable[[], Awaitable[socket.socket]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._next = 0
        self._known: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._silent_until = 0.0
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
        waiting = self._waiting.get(int.from_bytes(data[:2], "big"))
        if waiting and not waiting.done():
            waiting.set_result(data)

    def error_received(self, exc: Exception) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(exc)

    async def ask(self, query: bytes, *, whole: bool = False) -> bytes:
        """With `whole` an answer that was cut is asked for again over TCP. Raises TimeoutError or OSError when the
        resolver does not answer."""
        answer = await self._ask_datagram(query)
        if whole and _is_cut(answer):
            async with asyncio.timeout(_TIMEOUT_S):
                return await self._ask_stream(query)
        return answer

    async def _ask_stream(self, query: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(sock=await self._connect())
        try:
            writer.write(framed(query))
            return await read_message(reader)
        except asyncio.IncompleteReadError as error:
            raise ConnectionAbortedError("the machine's resolver closed the connection") from error
        finally:
            writer.close()

    async def _ask_datagram(self, query: bytes) -> bytes:
        known = self._known.get(query[2:])
        if known and known.until > self._clock():
            return query[:2] + known.answer
        now = self._clock()
        if now < self._silent_until:
            raise ResolverAwayError("the machine's resolver does not answer")
        if self._silent_until:
            # This question finds out; those that come meanwhile need not wait for it.
            self._silent_until = now + _TIMEOUT_S
        try:
            answer = await self._ask_now(query)
        except TimeoutError:
            self._silent_until = self._clock() + _SILENT_S
            raise
        self._silent_until = 0.0
        self._remember(query[2:], answer)
        return query[:2] + answer

    async def _ask_now(self, query: bytes) -> bytes:
        """The answer without its identifier."""
        number = self._free_number()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._transport.sendto(number.to_bytes(2, "big") + query[2:])
            async with asyncio.timeout(_TIMEOUT_S):
                return (await answer)[2:]
        finally:
            del self._waiting[number]

    def _free_number(self) -> int:
        if len(self._waiting) >= _MOST_UNDER_WAY:
            raise ResolverAwayError("too many questions wait for the machine's resolver")
        while True:
            self._next = (self._next + 1) % 65_536
            if self._next not in self._waiting:
                return self._next

    def _remember(self, question: bytes, answer: bytes) -> None:
        seconds = _time_to_live(answer)
        if seconds and len(answer) <= _MAX_MESSAGE:
            self._known[question] = _Remembered(answer, self._clock() + seconds)
            self._known.move_to_end(question)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def framed(message: bytes) -> bytes:
    """As it goes over TCP."""
    return struct.pack("!H", len(message)) + message


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """The next one of a TCP connection. Raises IncompleteReadError."""
    (length,) = struct.unpack("!H", await reader.readexactly(2))
    return await reader.readexactly(length)


def _is_cut(message: bytes) -> bool:
    return len(message) > _FLAGS and bool(message[_FLAGS] & _CUT)


def _time_to_live(answer: bytes) -> int:
    """Seconds; nothing for an answer that is cut, bad or about nothing."""
    try:
        record = DNSRecord.parse(b"\0\0" + answer)
    except (DNSError, IndexError, ValueError):
        return 0
    if record.header.tc or record.header.rcode != RCODE.NOERROR or not record.rr:
        return 0
    return min([_LONGEST_S, *(int(one.ttl) for one in record.rr if one.rtype != QTYPE.OPT)])
