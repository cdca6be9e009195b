"""One place that shows records, whichever way leads there."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import aiohttp

LONGEST_LINE: Final = 1 << 20
LONGEST_ANSWER: Final = 64 << 20
Query = Sequence[tuple[str, str]]


class NothingThere(Exception):  # noqa: N818 - says what is the matter, to people
    """Nobody answers as expected."""


class Door(Protocol):
    """`name` is for people."""

    @property
    def name(self) -> str: ...

    def pieces(self, path: str, query: Query, *, quiet_s: float) -> AsyncGenerator[bytes, None]:
        """The body as it comes; a silence that lasts longer is its end. Raises NothingThere."""


class SocketDoor:
    """Of a gateway on this machine."""

    def __init__(self, name: str, path: str) -> None:
        self.name: Final = name
        self._path = path

    async def pieces(self, path: str, query: Query, *, quiet_s: float) -> AsyncGenerator[bytes, None]:
        async with self._response(path, query, aiohttp.ClientTimeout(total=None, sock_read=quiet_s)) as response:
            async for piece in response.content.iter_any():
                yield piece

    @asynccontextmanager
    async def _response(
        self, path: str, query: Query, patience: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(self._path), timeout=patience) as session,
                session.get(f"http://127.0.0.1{path}", params=list(query)) as response,
            ):
                if response.status != 200:
                    raise NothingThere(f"{self.name}: {await response.text()}")
                yield response
        except (TimeoutError, aiohttp.ClientError) as error:
            raise NothingThere(f"{self.name} does not answer, or no longer: {error}") from error


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Raises NothingThere for one that is no line of ours."""
    pending = bytearray()
    async for piece in pieces:
        pending += piece
        *complete, rest = bytes(pending).split(b"\n")
        pending = bytearray(rest)
        for line in complete:
            yield line
        if len(pending) > LONGEST_LINE:
            raise NothingThere(f"a line is longer than {LONGEST_LINE} bytes")
