"""The pages of `observe.pages` read from the other side."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from crossfade.observe.pages import REQUESTS_PATH, TAP_PATH, Found, TapLine

_QUIET_AT_MOST_S: Final = 20.0
_WITHIN_S: Final = 30.0
_HOST: Final = "http://records"
_LINE: Final = msgspec.json.Decoder(TapLine)
_FOUND: Final = msgspec.json.Decoder(Found)
Query = Sequence[tuple[str, str]]


class NothingThere(Exception):  # noqa: N818 - says what is the matter, to people
    """Nobody answers as expected."""


async def tapped(socket: Path, query: Query) -> AsyncIterator[TapLine]:
    """Until the other side has said everything. Raises NothingThere."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=_QUIET_AT_MOST_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as session,
            session.get(_HOST + TAP_PATH, params=list(query)) as response,
        ):
            await _check(response)
            async for line in response.content:
                yield _LINE.decode(line)
    except (TimeoutError, aiohttp.ClientError, msgspec.MsgspecError) as error:
        raise NothingThere(f"the other side went away: {error}") from error


async def asked(socket: Path, ids: Sequence[str]) -> Found:
    """Raises NothingThere."""
    timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as session,
            session.get(_HOST + REQUESTS_PATH, params=[("id", one) for one in ids]) as response,
        ):
            await _check(response)
            return _FOUND.decode(await response.read())
    except (TimeoutError, aiohttp.ClientError, msgspec.MsgspecError) as error:
        raise NothingThere(f"nothing answers: {error}") from error


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status != 200:
        raise NothingThere(await response.text())
