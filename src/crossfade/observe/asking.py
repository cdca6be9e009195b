"""The pages of `observe.pages` read from the other side, of one place or of several at once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from crossfade.observe.door import LONGEST_ANSWER, Door, NothingThere, Query, lines_of
from crossfade.observe.pages import REQUESTS_PATH, TAP_PATH, Found, TapLine
from crossfade.observe.replay import Hop

_QUIET_AT_MOST_S: Final = 20.0
_WITHIN_S: Final = 30.0
_MOST_WAITING: Final = 100
_LINE: Final = msgspec.json.Decoder(TapLine)
_FOUND: Final = msgspec.json.Decoder(Found)


async def tapped(doors: Sequence[Door], query: Query) -> AsyncGenerator[tuple[Door, TapLine | NothingThere], None]:
    """From all of them as it comes, until each has said everything; a door that goes away says so."""
    lines: asyncio.Queue[tuple[Door, TapLine | Exception | None]] = asyncio.Queue(_MOST_WAITING)

    async def read(door: Door) -> None:
        try:
            async for line in _tapped(door, query):
                await lines.put((door, line))
        except Exception as error:
            await lines.put((door, error))
        await lines.put((door, None))

    # No task group: who stops reading would find its generator's end among the errors of a group.
    reading = [asyncio.create_task(read(door)) for door in doors]
    left = len(doors)
    try:
        while left:
            door, line = await lines.get()
            if line is None:
                left -= 1
            elif isinstance(line, Exception) and not isinstance(line, NothingThere):
                raise line
            else:
                yield door, line
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def asked(doors: Sequence[Door], query: Query) -> tuple[Found, Sequence[NothingThere]]:
    """What all of them know together, and what those say that do not answer. Raises NothingThere if none does."""
    answers = await asyncio.gather(*(_asked(door, query) for door in doors))
    found = [one for one in answers if isinstance(one, Found)]
    missing = [one for one in answers if isinstance(one, NothingThere)]
    if not found:
        raise NothingThere("\n".join(map(str, missing)))
    hops: list[Hop] = sorted((hop for one in found for hop in one.hops), key=lambda hop: hop.record.began_s)
    return Found(tuple(hops), sum(one.kept for one in found), max(one.oldest_s for one in found)), missing


async def _tapped(door: Door, query: Query) -> AsyncIterator[TapLine]:
    async with aclosing(door.pieces(TAP_PATH, query, quiet_s=_QUIET_AT_MOST_S)) as pieces:
        async for line in lines_of(pieces):
            try:
                yield _LINE.decode(line)
            except msgspec.MsgspecError as error:
                raise NothingThere(f"{door.name} does not answer as expected: {error}") from error


async def _asked(door: Door, query: Query) -> Found | NothingThere:
    body = bytearray()
    try:
        async with asyncio.timeout(_WITHIN_S), aclosing(door.pieces(REQUESTS_PATH, query, quiet_s=_WITHIN_S)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) > LONGEST_ANSWER:
                    return NothingThere(f"{door.name}: its answer is longer than {LONGEST_ANSWER} bytes")
        return _FOUND.decode(body)
    except NothingThere as error:
        return error
    except (TimeoutError, msgspec.MsgspecError) as error:
        return NothingThere(f"{door.name} does not answer as expected: {error or 'in time'}")
