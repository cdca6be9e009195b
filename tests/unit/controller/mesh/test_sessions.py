"""Controllers tell each other which proxies are connected to them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import pytest

from crossfade.controller.health import health_server
from crossfade.controller.mesh.sessions import PATH, OtherControllers, digest, page
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.logging import EventLog
from tests.support.fake_api import FakeApi, serving
from tests.support.ports import free_ports

Json = dict[str, Any]
PODS: Final = "/api/v1/namespaces/system/pods"
LABELS: Final = {"app": "controller"}


def controller(api: FakeApi, name: str, address: str, *, labels: Json = LABELS, **more: Any) -> None:
    metadata = {"name": name, "namespace": "system", "labels": {**labels, "pod-template-hash": name}}
    status = {"phase": "Running", "podIP": address, **more.pop("status", {})}
    api.put(f"{PODS}/{name}", {"metadata": {**metadata, **more}, "status": status})


@asynccontextmanager
async def asking(api: FakeApi, *told: tuple[str, str]) -> AsyncIterator[OtherControllers]:
    """`told` are addresses and what is said there."""
    (port,) = free_ports(1)
    async with AsyncExitStack() as stack:
        for address, text in told:
            pages = {PATH: lambda text=text: text}
            await stack.enter_async_context(health_server(host=address, port=port, waits_for=lambda: "", pages=pages))
        url = await stack.enter_async_context(serving(api))
        client = await stack.enter_async_context(Client(ClusterConfig(server=url)))
        log = EventLog("test")
        yield OtherControllers(client, namespace="system", pod="own", port=port, log=log)


async def test_what_is_connected_to_another_one_is_known_by_its_digest() -> None:
    api = FakeApi()
    controller(api, "own", "127.0.0.1")
    controller(api, "other", "127.0.0.2")
    controller(api, "third", "127.0.0.3")
    told = page({"mesh/m/virtualNode/a": ["prod/a-1", "prod/a-2"], "mesh/m/virtualNode/b": ["prod/b-1"]})
    assert "prod" not in told
    async with asking(api, ("127.0.0.2", told), ("127.0.0.3", "")) as others:
        assert await others.connected() == {digest(node) for node in ("prod/a-1", "prod/a-2", "prod/b-1")}


@pytest.mark.parametrize("text", ["x" * (5 << 20), "é"], ids=["much", "no digest"])
async def test_nothing_is_known_where_one_does_not_say(text: str, caplog: pytest.LogCaptureFixture) -> None:
    api = FakeApi()
    controller(api, "own", "127.0.0.1")
    controller(api, "silent", "127.0.0.4")
    async with asking(api, ("127.0.0.2", "")) as others:
        assert await others.connected() is None
        assert await others.connected() is None
    assert len([one for one in caplog.records if one.message == "controllers.not_asked"]) == 1
    controller(api, "silent", "127.0.0.2")
    async with asking(api, ("127.0.0.2", text)) as others:
        assert await others.connected() is None


async def test_who_is_alone_asks_nobody() -> None:
    api = FakeApi()
    async with asking(api) as others:
        assert await others.connected() == frozenset()
        controller(api, "own", "127.0.0.1")
        # Other pods of the namespace, one that ends, and one that has not begun.
        controller(api, "stranger", "127.0.0.5", labels={"app": "other"})
        controller(api, "ends", "127.0.0.6", deletionTimestamp="2026-11-28T10:00:00Z")
        controller(api, "begins", "127.0.0.7", status={"phase": "Pending"})
        assert await others.connected() == frozenset()
        controller(api, "own", "127.0.0.1", labels={})
        assert await others.connected() == frozenset()
