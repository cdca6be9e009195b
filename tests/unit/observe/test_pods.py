"""Pages of pods, through an API server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from crossfade.observe import pods
from crossfade.observe.pods import NotAllowed, PodPages
from crossfade.observe.scrape import ProxyFailed
from crossfade.observe.targets import Target
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from tests.unit.observe.test_targets import PROXY, pod

GOOD, DENIED, GONE, LONG = (Target("gateway", f"shop/{name}", 8100, "/metrics?traffic") for name in "abcd")
STATUS = {"kind": "Status", "apiVersion": "v1", "message": 'pods "b" is forbidden: User "u" cannot get it'}


async def answer(request: web.Request) -> web.Response:
    match request.path.removeprefix("/api/v1"):
        case "/namespaces/shop/pods":
            return web.json_response({"items": [pod(PROXY, name="a", namespace="shop")], "metadata": {}})
        case "/namespaces/shop/pods/a:8100/proxy/metrics":
            return web.Response(text=f"page {request.query_string}")
        case "/namespaces/shop/pods/c:8100/proxy/metrics":
            return web.json_response({"kind": "Status", "reason": "NotFound"}, status=404)
        case "/namespaces/shop/pods/d:8100/proxy/metrics":
            return web.Response(body=b"x" * 2000)
    return web.json_response(STATUS, status=403)


@asynccontextmanager
async def pages() -> AsyncIterator[PodPages]:
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _, port = runner.addresses[0][:2]
        async with Client(ClusterConfig(server=f"http://127.0.0.1:{port}")) as client:
            yield PodPages(client)
    finally:
        await runner.cleanup()


async def test_pages_come_through_the_api_server() -> None:
    async with pages() as found:
        assert await found.targets(["shop"]) == [GOOD]
        assert [one["metadata"]["name"] for one in found.pods] == ["a"]
        assert await found.fetch(GOOD) == b"page traffic"


async def test_what_the_role_lacks_is_named() -> None:
    async with pages() as found:
        with pytest.raises(NotAllowed, match=r"the verb `get` on `pods/proxy`; `crossfade install top -n shop --user"):
            await found.fetch(DENIED)
        with pytest.raises(NotAllowed, match=r"in all namespaces[^`]*`list` on `pods`\n.* top -A --user"):
            await found.targets()
        with pytest.raises(NotAllowed, match=r"may not list pods in namespace other[^`]*`list` on `pods`"):
            await found.targets(["other"])


async def test_a_page_that_is_gone_or_endless_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "MOST_BYTES", 1000)
    async with pages() as found:
        for target, why in ((GONE, "it has gone"), (LONG, "longer than 1000 bytes")):
            with pytest.raises(ProxyFailed, match=why):
                await found.fetch(target)
