"""Whether a release answers, as `helm test` asks."""

import asyncio

import pytest
from aiohttp import web

from crossfade.cli.app import main
from crossfade.cli.reach import reach
from tests.support.ports import free_ports


@pytest.mark.parametrize("status", [200, 302, 404, 500])
async def test_any_answer_will_do(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "http://127.0.0.1:1/"})

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        assert await asyncio.to_thread(main, ["controller", "reach", url]) == 0
    finally:
        await runner.cleanup()
    assert capsys.readouterr().out == f"{url} answers\n"


def test_silence_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    assert reach([f"https://127.0.0.1:{port}/"], within_s=0) == 1
    assert capsys.readouterr().err.startswith(f"https://127.0.0.1:{port}/ does not answer: ")


@pytest.mark.parametrize("urls", [[], ["file:///etc/passwd"], ["example"]])
def test_only_urls_of_http_can_be_asked(urls: list[str]) -> None:
    assert reach(urls) == 2
