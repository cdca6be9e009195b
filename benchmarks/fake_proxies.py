"""Many proxies that cost next to nothing, so that a benchmark on the same machine measures the control plane.

    python -m benchmarks.fake_proxies PORT COUNT [endpoints | routes]

Each has a connection of its own, asks for all clusters and for the endpoints of those that are not its own, or for all
routes, and acknowledges at once. They speak just enough HTTP/2 for that. Whenever all have acknowledged one more
response with these, a line says when the last one did (CLOCK_MONOTONIC, in seconds) and how much CPU all have used.
"""

import asyncio
import struct
import sys
import time
from typing import Final, cast

from crossfade.envoy.proto import discovery_v3
from crossfade.envoy.resource_set import ResourceType

METHOD: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK, _END_HEADERS = 1, 4
_INITIAL_WINDOW_SIZE: Final = 4
_LARGEST_WINDOW: Final = (1 << 31) - 1
_FRAME_HEADER: Final = 9


class Progress:
    """Of all proxies together."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._at_round: dict[int, int] = {}

    def note(self, responses: int) -> None:
        """One proxy has acknowledged that many responses of the kind that counts."""
        reached = self._at_round[responses] = self._at_round.get(responses, 0) + 1
        if reached == self._count:
            del self._at_round[responses]
            print(f"{time.monotonic()} {time.process_time()}", flush=True)


class FakeProxy(asyncio.Protocol):
    """`number` goes into the request's metadata, by which the server tells whose proxy it is. `counts` are noted."""

    def __init__(self, number: int, progress: Progress, counts: ResourceType) -> None:
        self._number = number
        self._counts = counts
        self._progress = progress
        self._received = bytearray()
        self._message = bytearray()
        self._responses = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        settings = struct.pack(">HI", _INITIAL_WINDOW_SIZE, _LARGEST_WINDOW)
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": METHOD,
            ":authority": "test",
            "content-type": "application/grpc",
            "te": "trailers",
            "number": str(self._number),
        }
        self._transport.write(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, settings)
            + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _LARGEST_WINDOW - 65_535))
            + _frame(_HEADERS, _END_HEADERS, 1, b"".join(_field(*field) for field in fields.items()))
        )
        self._send(discovery_v3.DeltaDiscoveryRequest(type_url=ResourceType.CLUSTER))

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= _FRAME_HEADER:
            end = _FRAME_HEADER + int.from_bytes(self._received[:3])
            if len(self._received) < end:
                return
            kind, flags = self._received[3], self._received[4]
            payload = bytes(self._received[_FRAME_HEADER:end])
            del self._received[:end]
            self._take(kind, flags, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        print(f"proxy {self._number} lost its connection: {exc}", file=sys.stderr)

    def _take(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == _DATA:
            self._message += payload
            while len(self._message) >= 5 and len(self._message) >= (end := 5 + int.from_bytes(self._message[1:5])):
                message = bytes(self._message[5:end])
                del self._message[:end]
                self._answer(discovery_v3.DeltaDiscoveryResponse.FromString(message))
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            self._transport.write(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
        elif kind in (_GOAWAY, _RST_STREAM):
            print(f"proxy {self._number} was refused", file=sys.stderr)

    def _answer(self, response: discovery_v3.DeltaDiscoveryResponse) -> None:
        kind = ResourceType(response.type_url)
        if kind is ResourceType.CLUSTER:
            entries = response.resources if self._counts is ResourceType.ENDPOINTS else ()
            names = [entry.name for entry in entries if "_s" in entry.name]
            self._send(discovery_v3.DeltaDiscoveryRequest(type_url=self._counts, resource_names_subscribe=names))
        self._send(discovery_v3.DeltaDiscoveryRequest(type_url=kind, response_nonce=response.nonce))
        if kind is self._counts:
            self._responses += 1
            self._progress.note(self._responses)

    def _send(self, request: discovery_v3.DeltaDiscoveryRequest) -> None:
        message = request.SerializeToString()
        self._transport.write(_frame(_DATA, 0, 1, b"\0" + struct.pack(">I", len(message)) + message))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload


def _field(name: str, value: str) -> bytes:
    """A literal header field without indexing (RFC 7541 §6.2.2); both are shorter than 127 bytes."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


async def be_proxies(port: int, count: int, counts: ResourceType) -> None:
    loop, progress = asyncio.get_running_loop(), Progress(count)
    for number in range(count):
        await loop.create_connection(lambda number=number: FakeProxy(number, progress, counts), "127.0.0.1", port)
    await loop.create_future()


if __name__ == "__main__":
    kind = ResourceType[sys.argv[3].upper()] if len(sys.argv) > 3 else ResourceType.ENDPOINTS
    asyncio.run(be_proxies(int(sys.argv[1]), int(sys.argv[2]), kind))
