"""Health endpoints of a controller: alive from the start, ready when told."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from aiohttp import web

from crossfade.controller.leaving import PATH as LEAVING_PATH
from crossfade.controller.leaving import Leaving


@asynccontextmanager
async def health_server(
    *,
    host: str,
    port: int,
    waits_for: Callable[[], str],
    paths: tuple[str, str] = ("/healthz", "/readyz"),
    pages: Mapping[str, Callable[[], str]] = MappingProxyType({}),
    leaving: Leaving | None = None,
) -> AsyncIterator[int]:
    """Yields the port. `waits_for` says what readiness still waits for, or nothing; `paths` are those of both.

    `pages` are more texts, by path. `leaving` is for who is told when its pod ends.
    """
    alive_path, ready_path = paths

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def ready(_: web.Request) -> web.Response:
        missing = waits_for()
        return web.Response(status=503, text=f"waiting for {missing}") if missing else web.Response(text="ok")

    app = web.Application()
    app.router.add_get(alive_path, alive)
    app.router.add_get(ready_path, ready)
    if leaving is not None:
        app.router.add_get(LEAVING_PATH, leaving.answer)
    for path, page in pages.items():
        app.router.add_get(path, _answering(page))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound: int = runner.addresses[0][1]
        yield bound
    finally:
        await runner.cleanup()


def _answering(page: Callable[[], str]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=page())

    return answer
