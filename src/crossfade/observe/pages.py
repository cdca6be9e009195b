"""Records over HTTP, for `crossfade tap` and `crossfade explain`: whoever may see them does.

`GET /v1/tap` is one JSON object a line: records, and at the end how many were seen and left out. `GET /v1/requests`
gives those with an id. Both take `namespace`: without it they are of all.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from msgspec import Struct

from crossfade.observe.access import HEADER, Admit, NotAdmitted
from crossfade.observe.rates import MOST_WATCHED_S, Rates
from crossfade.observe.record import Record, Wanted
from crossfade.observe.records import Records, TooManyWatchers, Watcher
from crossfade.observe.replay import Hop

TAP_PATH: Final = "/v1/tap"
REQUESTS_PATH: Final = "/v1/requests"
MOST_A_SECOND: Final = 1000
SHORTEST_ID: Final = 8
LONGEST_ID: Final = 256
MOST_IDS: Final = 50
_HEARTBEAT_S: Final = 5.0
_ENDS_WITHIN_S: Final = 0.5
_ASKER: Final = web.RequestKey("crossfade.asker", str)


class TapEnd(Struct, frozen=True, tag="end", tag_field="kind"):
    """The last line: `seen` records came, `left_out` of those asked for were too many."""

    seen: int
    left_out: int


class TapBegin(Struct, frozen=True, tag="begin", tag_field="kind"):
    """The first line, when everything that happens from now on is seen."""


class TapRecord(Struct, frozen=True, tag="record", tag_field="kind"):
    record: Record


class TapAlive(Struct, frozen=True, tag="alive", tag_field="kind"):
    """Now and then, so that both ends know of each other."""


TapLine = TapBegin | TapRecord | TapAlive | TapEnd


class Found(Struct, frozen=True):
    """`kept` is how many records there are to look in, `since_s` how old the oldest may be."""

    hops: tuple[Hop, ...]
    kept: int
    oldest_s: float


class RecordPages:
    """`proxies_of` gives keys of the proxies that tell of what is wanted, None for all of them; `node_of` the node
    by such a key.
    """

    def __init__(
        self,
        records: Records,
        rates: Rates,
        *,
        replay: Callable[[Sequence[Record]], Awaitable[Sequence[Hop]]],
        proxies_of: Callable[[Wanted], Collection[str] | None] = lambda _: None,
        node_of: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._records = records
        self._rates = rates
        self._replay = replay
        self._proxies_of = proxies_of
        self._node_of = node_of

    def app(self, admit: Admit | None = None) -> web.Application:
        """Without `admit` for whoever is on this machine and reaches it."""
        app = web.Application(middlewares=[_local_only if admit is None else _admitting(admit)])
        app.router.add_get(TAP_PATH, self._tap)
        app.router.add_get(REQUESTS_PATH, self._requests)
        return app

    async def _tap(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        try:
            wanted = self._wanted(request)
            for_s = min(MOST_WATCHED_S, max(0.1, float(query.get("for", MOST_WATCHED_S))))
            most = min(MOST_A_SECOND, max(1, int(query.get("max_rps", MOST_A_SECOND))))
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        try:
            watching = self._records.watching(wanted, most, asker=request.get(_ASKER, ""))
            with watching as watcher, self._rates.watching(self._proxies_of(wanted)):
                return await _streamed(request, watcher, for_s)
        except TooManyWatchers as error:
            return web.Response(status=429, text=str(error))

    def _wanted(self, request: web.Request) -> Wanted:
        query = request.query
        named = (self._node_of(proxy) for proxy in query.getall("proxy", []))
        return Wanted(
            nodes=tuple(filter(None, (*query.getall("node", []), *named))),
            namespace=_namespace(request),
            codes=tuple(query.getall("code", [])),
            method=query.get("method", ""),
            path=query.get("path", ""),
            consumer=query.get("consumer", ""),
            route=query.get("route", ""),
        )

    async def _requests(self, request: web.Request) -> web.Response:
        ids = request.query.getall("id", [])
        if not 0 < len(ids) <= MOST_IDS or not all(SHORTEST_ID <= len(one) <= LONGEST_ID for one in ids):
            return web.Response(status=400, text=f"an id has {SHORTEST_ID} to {LONGEST_ID} characters")
        found = await asyncio.to_thread(self._records.with_any_of, ids, _namespace(request))
        hops = tuple(await self._replay(found))
        ring = self._records.ring
        body = msgspec.json.encode(Found(hops, len(ring), ring.oldest_s))
        return web.Response(body=body, content_type="application/json")


def _namespace(request: web.Request) -> str:
    """What is asked for, and what it takes the right to see."""
    return request.query.get("namespace", "")


def _admitting(admit: Admit) -> Middleware:
    @web.middleware
    async def admitted(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            request[_ASKER] = await admit(request.headers.get(HEADER, ""), _namespace(request))
        except NotAdmitted as error:
            return web.Response(status=error.status, text=str(error))
        return await handler(request)

    return admitted


@web.middleware
async def _local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A name that leads to loopback is no reason to show a page of somebody else's what happens here."""
    if request.host.partition(":")[0] not in ("127.0.0.1", "localhost"):
        return web.Response(status=403, text="ask by address")
    return await handler(request)


async def _streamed(request: web.Request, watcher: Watcher, for_s: float) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    await _write(response, TapBegin())
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + for_s
    try:
        while (left_s := ends_s - loop.time()) > 0:
            line = await _next(watcher, min(left_s, _HEARTBEAT_S))
            await _write(response, line)
        await _write(response, TapEnd(watcher.seen, watcher.left_out))
        await response.write_eof()
    except ConnectionError:
        # Whoever watched has gone.
        pass
    return response


async def _next(watcher: Watcher, within_s: float) -> TapRecord | TapAlive:
    try:
        async with asyncio.timeout(within_s):
            return TapRecord(await watcher.next())
    except TimeoutError:
        return TapAlive()


async def _write(response: web.StreamResponse, line: TapLine) -> None:
    await response.write(msgspec.json.encode(line) + b"\n")


@asynccontextmanager
async def served(
    pages: RecordPages,
    *,
    listening: socket.socket | None = None,
    address: tuple[str, int] = ("", 0),
    admit: Admit | None = None,
) -> AsyncIterator[None]:
    """On a socket that listens, or at host and port. Raises OSError."""
    # Whoever goes away stops watching at once, and nobody who watches keeps this process from its end.
    runner = web.AppRunner(
        pages.app(admit), access_log=None, handler_cancellation=True, shutdown_timeout=_ENDS_WITHIN_S
    )
    await runner.setup()
    try:
        site = web.SockSite(runner, listening) if listening else web.TCPSite(runner, *address)
        await site.start()
        yield
    finally:
        await runner.cleanup()
