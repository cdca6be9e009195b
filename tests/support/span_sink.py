"""A backend of traces: takes spans by Zipkin's JSON, by OTLP over HTTP and from Datadog's tracers, and keeps them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web

from tests.support.otlp import otlp_spans

PATIENCE_S = 60


class Post(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class SpanSink:
    """`status` is what it answers; without one it never does."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.status: int | None = 200
        self.port = 0
        self._news = asyncio.Event()
        self._is_over = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.posts.append(Post(request.path, headers, await request.read()))
        self._news.set()
        if self.status is None:
            await self._is_over.wait()
        return web.Response(status=self.status or 500, text="{}")

    def end(self) -> None:
        """Answers what has waited."""
        self._is_over.set()

    def spans(self) -> list[dict[str, Any]]:
        """In Zipkin's words; those of OTLP have `traceId`, `id`, `parentId`, `name`, `kind`, `service`, `tags`."""
        found: list[dict[str, Any]] = []
        for post in self.posts:
            if post.path == "/api/v2/spans":
                found += json.loads(post.body)
            elif post.path == "/v1/traces":
                found += otlp_spans(post.body)
        return found

    async def until(self, is_enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """All spans as soon as they are enough."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_enough(self.spans()):
                self._news.clear()
                await self._news.wait()
        return self.spans()

    async def until_posted(self, count: int) -> list[Post]:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.posts) < count:
                self._news.clear()
                await self._news.wait()
        return self.posts


@asynccontextmanager
async def span_sink(port: int = 0) -> AsyncIterator[SpanSink]:
    sink = SpanSink()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", sink.take)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
    await site.start()
    sink.port = runner.addresses[0][1]
    try:
        yield sink
    finally:
        sink.end()
        await runner.cleanup()
