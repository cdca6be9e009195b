"""SPDY/3.1 framing as Kubernetes' port-forward uses it: bytes in, frames out, no I/O.

kubectl sends these frames inside WebSocket messages. Flow-control windows are not kept: Kubernetes' own library
does not enforce them either.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

FIN: Final = 0x01
SYN_STREAM: Final = 1
SYN_REPLY: Final = 2
RST_STREAM: Final = 3
PING: Final = 6
GOAWAY: Final = 7
DATA: Final = 0

_CONTROL: Final = 0x8003_0000
_MAX_DATA: Final = 1 << 20

_WORDS: Final = [
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
]
_TAIL: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
# The header compression's preset dictionary (SPDY/3 draft, section 2.6.10.1): words with lengths, then plain text.
DICTIONARY: Final = (
    b"".join(
        struct.pack("!I", len(word)) + word.encode()
        for word in [*_WORDS, "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"]
    )
    + _TAIL.encode()
)


class ProtocolError(Exception):
    """The peer sent what is no SPDY/3.1."""


class Frame(NamedTuple):
    """`kind` is DATA or a control type; SYN_STREAM and SYN_REPLY have `headers` and no payload."""

    kind: int
    stream: int
    flags: int = 0
    payload: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


class Codec:
    """One connection: header compression keeps state in each direction."""

    def __init__(self) -> None:
        self._pending = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, data: bytes) -> Iterator[Frame]:
        """Complete frames. Raises ProtocolError."""
        self._pending += data
        while len(self._pending) >= 8:
            first, second = struct.unpack_from("!II", self._pending)
            length = second & 0xFF_FFFF
            if length > _MAX_DATA:
                raise ProtocolError(f"frame of {length} bytes")
            if len(self._pending) < 8 + length:
                return
            payload, self._pending = self._pending[8 : 8 + length], self._pending[8 + length :]
            yield self._frame(first, second >> 24, payload)

    def reply(self, stream: int, *, flags: int = 0) -> bytes:
        return self._control(SYN_REPLY, flags, struct.pack("!I", stream) + self._packed({}))

    def open(self, stream: int, headers: dict[str, str], *, flags: int = 0) -> bytes:
        return self._control(SYN_STREAM, flags, struct.pack("!IIH", stream, 0, 0) + self._packed(headers))

    def data(self, stream: int, payload: bytes, *, flags: int = 0) -> bytes:
        return struct.pack("!II", stream, (flags << 24) | len(payload)) + payload

    def ping(self, payload: bytes) -> bytes:
        return self._control(PING, 0, payload)

    def reset(self, stream: int, status: int) -> bytes:
        return self._control(RST_STREAM, 0, struct.pack("!II", stream, status))

    def _frame(self, first: int, flags: int, payload: bytes) -> Frame:
        if not first & 0x8000_0000:
            return Frame(DATA, first, flags, payload)
        if first & 0xFFFF_0000 != _CONTROL:
            raise ProtocolError(f"version {(first >> 16) & 0x7FFF}, not 3")
        kind = first & 0xFFFF
        stream = struct.unpack_from("!I", payload)[0] & 0x7FFF_FFFF if len(payload) >= 4 else 0
        if kind in (SYN_STREAM, SYN_REPLY):
            skipped = 10 if kind == SYN_STREAM else 4
            return Frame(kind, stream, flags, headers=self._unpacked(payload[skipped:]))
        return Frame(kind, stream, flags, payload)

    @staticmethod
    def _control(kind: int, flags: int, payload: bytes) -> bytes:
        return struct.pack("!II", _CONTROL | kind, (flags << 24) | len(payload)) + payload

    def _packed(self, headers: dict[str, str]) -> bytes:
        block = struct.pack("!I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack("!I", len(text)) + text
        return self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _unpacked(self, block: bytes) -> dict[str, str]:
        try:
            return _parse_headers(self._inflate.decompress(block))
        except (zlib.error, struct.error, UnicodeDecodeError) as error:
            raise ProtocolError(f"header block: {error}") from error


def _parse_headers(block: bytes) -> dict[str, str]:
    (count,) = struct.unpack_from("!I", block)
    position, texts = 4, []
    for _ in range(2 * min(count, 1000)):
        (length,) = struct.unpack_from("!I", block, position)
        position += 4
        texts.append(block[position : position + length].decode())
        position += length
    return dict(zip(texts[::2], texts[1::2], strict=True))
