"""What a sidecar's outbound side does with requests: App Mesh manifests, compiled, in a real Envoy.

The listener is bound to the virtual services' port itself, which stands in for the redirected destination port.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec import structs

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.model import Direction, ProxyModel
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import decode
from tests.support.envoy import Backend, Harness, backend, running_envoy, until

pytestmark = pytest.mark.envoy

Spec = dict[str, Any]
HOST = "jazz.prod.svc.cluster.local"


class Sidecar:
    """The sidecar of a node with the one backend `jazz`, whose targets v1 and v2 are real servers.

    `annotations` are those of the virtual service and of the mesh.
    """

    def __init__(self, envoy: Harness, backends: dict[str, Backend]) -> None:
        self._envoy = envoy
        self._ports = {name: one.port for name, one in backends.items()}
        self._generation = 0
        self.backends = backends
        self.annotations: dict[str, str] = {}
        self.port = envoy.port

    async def apply(self, *routes: Spec) -> None:
        """Replaces the router's routes and waits until Envoy follows, which a marker route tells."""
        self._generation += 1
        marker = {
            "name": "marker",
            "priority": 0,
            "httpRoute": {
                "match": {"path": {"exact": f"/marker-{self._generation}"}},
                "action": {"weightedTargets": [{"virtualNodeRef": {"name": "marker"}, "weight": 1}]},
            },
        }
        self._envoy.publish(self._model([*routes, marker]))

        async def follows() -> bool:
            return await self.ask(f"/marker-{self._generation}") == (200, "marker")

        await until(follows)

    def _model(self, routes: list[Spec]) -> ProxyModel:
        def meta(name: str) -> Spec:
            return {"name": name, "namespace": "prod"}

        def node(name: str, port: int) -> VirtualNode:
            listeners = [{"portMapping": {"port": port, "protocol": "http"}}]
            discovery = {"dns": {"hostname": "127.0.0.1"}}
            spec = {"meshRef": {"name": "m"}, "listeners": listeners, "serviceDiscovery": discovery}
            return decode({"metadata": meta(name), "spec": spec}, VirtualNode)

        listeners = [{"portMapping": {"port": self.port, "protocol": "http"}}]
        backends = [{"virtualService": {"virtualServiceRef": {"name": "jazz"}}}]
        provider = {"virtualRouter": {"virtualRouterRef": {"name": "jazz"}}}
        mesh = {"meshRef": {"name": "m"}}
        service = {**mesh, "awsName": HOST, "provider": provider}
        router = {**mesh, "listeners": listeners, "routes": routes}
        objects = [
            decode({"metadata": {"name": "m", "annotations": self.annotations}}, Mesh),
            *(node(name, port) for name, port in self._ports.items()),
            decode({"metadata": meta("caller"), "spec": {**mesh, "backends": backends}}, VirtualNode),
            decode({"metadata": {**meta("jazz"), "annotations": self.annotations}, "spec": service}, VirtualService),
            decode({"metadata": meta("jazz"), "spec": router}, VirtualRouter),
        ]
        proxy = compile_mesh(Snapshot.of(objects), ArnScope()).proxies["mesh/m/virtualNode/caller_prod"]
        outbound = next(one for one in proxy.listeners if one.direction is Direction.OUTBOUND)
        return structs.replace(proxy, listeners=(structs.replace(outbound, address="127.0.0.1", port=self.port),))

    async def ask(self, path: str = "/", *, host: str = HOST, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and body; 0 while nobody listens."""
        try:
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"http://127.0.0.1:{self.port}{path}", headers={"Host": host, **(headers or {})}) as answer,
            ):
                return answer.status, await answer.text()
        except aiohttp.ClientConnectionError:
            return 0, ""


def route(name: str, match: Spec, targets: dict[str, int], **more: Any) -> Spec:
    weighted = [{"virtualNodeRef": {"name": target}, "weight": weight} for target, weight in targets.items()]
    priority = {"priority": more.pop("priority")} if "priority" in more else {}
    return {"name": name, **priority, "httpRoute": {"match": match, "action": {"weightedTargets": weighted}, **more}}


@pytest.fixture
async def sidecar(tmp_path: Path) -> AsyncIterator[Sidecar]:
    async with AsyncExitStack() as stack:
        v1 = await stack.enter_async_context(backend("v1"))
        v2 = await stack.enter_async_context(backend("v2"))
        slow = await stack.enter_async_context(backend("slow", waits=True))
        marker = await stack.enter_async_context(backend("marker"))
        envoy = await stack.enter_async_context(running_envoy(tmp_path))
        yield Sidecar(envoy, {"v1": v1, "v2": v2, "slow": slow, "marker": marker})


async def test_only_the_full_name_of_a_backend_is_routed(sidecar: Sidecar) -> None:
    await sidecar.apply(route("all", {"prefix": "/"}, {"v1": 1}))
    assert await sidecar.ask() == (200, "v1")
    assert await sidecar.ask(host=f"{HOST}:{sidecar.port}") == (200, "v1")
    assert await sidecar.ask(host=HOST.upper()) == (200, "v1")
    for host in ("jazz", f"jazz:{sidecar.port}", "jazz.prod", "127.0.0.1", "metal.prod.svc.cluster.local"):
        assert await sidecar.ask(host=host) == (404, "")


async def test_short_names_are_routed_where_the_mesh_wants_them(sidecar: Sidecar) -> None:
    sidecar.annotations = {"crossfade.dev/short-names": "enabled"}
    await sidecar.apply(route("all", {"prefix": "/"}, {"v1": 1}))
    for host in (HOST, "jazz", f"jazz:{sidecar.port}", "jazz.prod", "jazz.prod.svc", "JAZZ"):
        assert await sidecar.ask(host=host) == (200, "v1")
    for host in ("jaz", "jazz.other", "127.0.0.1"):
        assert await sidecar.ask(host=host) == (404, "")


async def test_headers_are_edited_and_requests_copied(sidecar: Sidecar) -> None:
    sidecar.annotations = {
        "crossfade.dev/set-request-headers": "x-tenant: 50% of %PROTOCOL%\nx-empty:",
        "crossfade.dev/remove-request-headers": "x-secret",
        "crossfade.dev/set-response-headers": "cache-control: no-store",
        "crossfade.dev/mirror": "v2",
    }
    await sidecar.apply(route("all", {"prefix": "/"}, {"v1": 1}))
    assert await sidecar.ask("/asked", headers={"x-tenant": "mine", "x-secret": "s"}) == (200, "v1")

    url = f"http://127.0.0.1:{sidecar.port}/asked"
    async with aiohttp.ClientSession() as http, http.get(url, headers={"Host": HOST}) as answer:
        assert answer.headers["cache-control"] == "no-store"

    async def is_copied() -> bool:
        return sidecar.backends["v2"].head.startswith("get /asked ")

    await until(is_copied)
    for name in ("v1", "v2"):
        lines = sidecar.backends[name].head.splitlines()
        assert "x-tenant: 50% of %protocol%" in lines
        assert "x-empty:" in [line.rstrip() for line in lines]
        assert f"host: {HOST}" in lines
        assert not any(line.startswith("x-secret") for line in lines)


async def test_weights_are_relative_and_follow_changes(sidecar: Sidecar) -> None:
    await sidecar.apply(route("all", {"prefix": "/"}, {"v1": 3, "v2": 1}))
    shares = Counter([(await sidecar.ask())[1] for _ in range(400)])
    # 300 of 400 are expected; 7 standard deviations are 61.
    assert shares.keys() == {"v1", "v2"}
    assert 239 <= shares["v1"] <= 361
    await sidecar.apply(route("all", {"prefix": "/"}, {"v1": 0, "v2": 1}))
    assert {(await sidecar.ask())[1] for _ in range(20)} == {"v2"}


async def test_routes_match_in_the_documented_order(sidecar: Sidecar) -> None:
    blue = {"prefix": "/", "headers": [{"name": "color", "match": {"regex": ".*blue.*"}}]}
    ranged = {"prefix": "/", "headers": [{"name": "n", "match": {"range": {"start": 1, "end": 3}}}]}
    query = {"prefix": "/", "queryParameters": [{"name": "q", "match": {"exact": "1"}}]}
    await sidecar.apply(
        route("rest", {"prefix": "/"}, {"v2": 1}),
        route("longer", {"prefix": "/a"}, {"v1": 1}),
        route("blue", blue, {"v1": 1}, priority=1),
        route("ranged", ranged, {"v1": 1}, priority=2),
        route("query", query, {"v1": 1}, priority=3),
    )
    assert await sidecar.ask("/") == (200, "v2")
    assert await sidecar.ask("/abc") == (200, "v1")
    assert await sidecar.ask(headers={"color": "light blue!"}) == (200, "v1")
    assert await sidecar.ask(headers={"color": "green"}) == (200, "v2")
    assert await sidecar.ask(headers={"n": "2"}) == (200, "v1")
    assert await sidecar.ask(headers={"n": "3"}) == (200, "v2")
    assert await sidecar.ask("/?q=1") == (200, "v1")
    assert await sidecar.ask("/?q=2") == (200, "v2")


async def test_what_cannot_be_served_says_so(sidecar: Sidecar) -> None:
    await sidecar.apply(
        route("nothing", {"prefix": "/zero"}, {"v1": 0}),
        route("gone", {"prefix": "/gone"}, {"unknown": 1}),
        route("slow", {"prefix": "/slow"}, {"slow": 1}, timeout={"perRequest": {"unit": "ms", "value": 50}}),
    )
    assert (await sidecar.ask("/zero"))[0] == 503
    assert await sidecar.ask("/gone") == (503, "no healthy upstream")
    assert await sidecar.ask("/slow") == (504, "upstream request timeout")
    assert await sidecar.ask("/other") == (404, "")
