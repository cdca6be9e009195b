"""Where a controller's metrics are scraped."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from crossfade.controller.tally import ControllerTally

if TYPE_CHECKING:
    from crossfade.controller.exposition import Exposition

log = logging.getLogger(__name__)


@asynccontextmanager
async def metrics_server(tally: ControllerTally, *, host: str, port: int) -> AsyncIterator[int | None]:
    """Yields the port. One that is taken costs the metrics, not the controller: None, and a warning."""
    pages: list[Exposition] = []

    async def metrics(_: web.Request) -> web.Response:
        if not pages:
            # What nobody scrapes costs no memory.
            from crossfade.controller.exposition import Exposition

            pages.append(Exposition(tally))
        return web.Response(body=pages[0].page(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        yield await _bound(runner, host, port)
    finally:
        await runner.cleanup()


async def _bound(runner: web.AppRunner, host: str, port: int) -> int | None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        log.warning("metrics.not_served", extra={"fields": {"port": port, "reason": error}})
        return None
    bound: int = runner.addresses[0][1]
    return bound
