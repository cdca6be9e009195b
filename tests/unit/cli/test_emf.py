"""`crossfade emf` as it runs in a pod."""

import asyncio
import json
import os
import signal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from crossfade.cli.app import parser_of
from crossfade.cli.emf import _written


async def test_whoever_ends_it_gets_what_was_counted_until_then(capsys: pytest.CaptureFixture[str]) -> None:
    asked = asyncio.Event()
    counts = iter((5, 12))

    async def page(_: web.Request) -> web.Response:
        asked.set()
        labels = 'reporter="gateway",service="shop",route="cart",code_class="2xx"'
        return web.Response(text=f"crossfade_requests_total{{{labels}}} {next(counts)}\n")

    app = web.Application()
    app.router.add_get("/metrics", page)
    async with TestServer(app) as server:
        words = ["emf", "--status", str(server.make_url("/")).rstrip("/"), "--every", "24h"]
        running = asyncio.create_task(_written(parser_of(["emf"]).parse_args(words)))
        await asked.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["kong.RequestCount"] for line in lines if "kong.RequestCount" in line} == {7}
