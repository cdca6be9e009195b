"""The pages of `observe.pages` read from the other side, of one place or of several at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import msgspec

from crossfade.observe.pages import REQUESTS_PATH, TAP_PATH, Found, TapLine
from crossfade.observe.places import Door
from crossfade.observe.replay import Hop

_QUIET_AT_MOST_S: Final = 20.0
_WITHIN_S: Final = 30.0
_MOST_WAITING: Final = 100
_LINE: Final = msgspec.json.Decoder(TapLine)
_FOUND: Final = msgspec.json.Decoder(Found)
Query = Sequence[tuple[str, str]]


class NothingThere(Exception):  # noqa: N818 - says what is the matter, to people
    """Nobody answers as expected."""


async def tapped(doors: Sequence[Door], query: Query) -> AsyncIterator[tuple[Door, TapLine | NothingThere]]:
    """From all of them as it comes, until each has said everything; a door that goes away says so."""
    lines: asyncio.Queue[tuple[Door, TapLine | NothingThere | None]] = asyncio.Queue(_MOST_WAITING)

    async def read(door: Door) -> None:
        try:
            async for line in _tapped(door, query):
                await lines.put((door, line))
        except NothingThere as error:
            await lines.put((door, error))
        await lines.put((door, None))

    async with asyncio.TaskGroup() as tasks:
        for door in doors:
            tasks.create_task(read(door))
        left = len(doors)
        while left:
            door, line = await lines.get()
            if line is None:
                left -= 1
            else:
                yield door, line


async def asked(doors: Sequence[Door], ids: Sequence[str]) -> Found:
    """What all of them know together. Raises NothingThere if one does not answer."""
    try:
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(_asked(door, ids)) for door in doors]
    except ExceptionGroup as errors:
        raise NothingThere("\n".join(str(one) for one in errors.exceptions)) from errors
    found = [one.result() for one in asking]
    hops: list[Hop] = sorted((hop for one in found for hop in one.hops), key=lambda hop: hop.record.began_s)
    return Found(tuple(hops), sum(one.kept for one in found), max(one.oldest_s for one in found))


async def _tapped(door: Door, query: Query) -> AsyncIterator[TapLine]:
    patience = aiohttp.ClientTimeout(total=None, sock_read=_QUIET_AT_MOST_S)
    async with _response(door, TAP_PATH, query, patience) as response:
        async for line in response.content:
            yield _LINE.decode(line)


async def _asked(door: Door, ids: Sequence[str]) -> Found:
    patience = aiohttp.ClientTimeout(total=_WITHIN_S)
    async with _response(door, REQUESTS_PATH, [("id", one) for one in ids], patience) as response:
        return _FOUND.decode(await response.read())


@asynccontextmanager
async def _response(
    door: Door, path: str, query: Query, patience: aiohttp.ClientTimeout
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Raises NothingThere."""
    connector = aiohttp.UnixConnector(door.socket) if door.socket else aiohttp.TCPConnector()
    url = f"http://127.0.0.1:{door.port}{path}" if door.port else f"http://127.0.0.1{path}"
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=patience) as session,
            session.get(url, params=list(query)) as response,
        ):
            if response.status != 200:
                raise NothingThere(f"{door.name}: {await response.text()}")
            yield response
    except (TimeoutError, aiohttp.ClientError, msgspec.MsgspecError) as error:
        raise NothingThere(f"{door.name} does not answer, or no longer: {error}") from error
