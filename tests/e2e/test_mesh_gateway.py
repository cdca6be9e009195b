"""What a virtual gateway does with requests: App Mesh manifests, compiled, in a real Envoy (appmesh.md §3.11)."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import web
from msgspec import structs

from crossfade.api.appmesh import GatewayRoute, Mesh, VirtualGateway, VirtualNode, VirtualService
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.model import Cluster, Endpoint, Listener, ProxyModel
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import decode
from tests.support.envoy import Harness, running_envoy, until
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy

Spec = dict[str, Any]
HOST = "svc.prod.svc.cluster.local"


class Seen(NamedTuple):
    """What an application saw; `status` alone where the gateway answered."""

    status: int
    port: int = 0
    path: str = ""
    host: str = ""
    headers: dict[str, str] | None = None


class Gateway(NamedTuple):
    """Listens on the two `ports`; its one service is served by the applications on `apps`, one a port."""

    envoy: Harness
    http: aiohttp.ClientSession
    ports: tuple[int, int]
    apps: tuple[int, int]

    async def apply(self, *routes: Spec) -> None:
        """`http` bodies of gateway routes; returns when all of them are in force."""
        self.envoy.publish(_model(routes, self.ports, self.apps))

        async def follows() -> bool:
            return (await self.ask("/last")).status == 200

        await until(follows)

    async def ask(self, path: str, *, listener: int = 0, **headers: str) -> Seen:
        url = f"http://127.0.0.1:{self.ports[listener]}{path}"
        try:
            async with self.http.get(url, headers=headers) as answer:
                return Seen(**await answer.json()) if answer.status == 200 else Seen(answer.status)
        except aiohttp.ClientConnectionError:
            return Seen(0)


@asynccontextmanager
async def application() -> AsyncIterator[int]:
    async def echo(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(200, port, request.raw_path, request.headers["Host"], headers)
        return web.Response(text=json.dumps(seen._asdict()), content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_ports(1)[0]
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


def _model(routes: tuple[Spec, ...], ports: tuple[int, int], apps: tuple[int, int]) -> ProxyModel:
    mesh = {"meshRef": {"name": "m"}}

    def meta(name: str) -> Spec:
        return {"name": name, "namespace": "prod"}

    def listeners(numbers: tuple[int, int]) -> list[Spec]:
        return [{"portMapping": {"port": number, "protocol": "http"}} for number in numbers]

    last = to(apps[0], {"path": {"exact": "/last"}})
    reference = {"virtualGatewayRef": {"name": "gw", "namespace": "prod", "uid": ""}}
    node = {**mesh, "listeners": listeners(apps), "serviceDiscovery": {"dns": {"hostname": "127.0.0.1"}}}
    service = {**mesh, "awsName": HOST, "provider": {"virtualNode": {"virtualNodeRef": {"name": "app"}}}}
    objects = [
        decode({"metadata": {"name": "m"}}, Mesh),
        decode({"metadata": meta("gw"), "spec": {**mesh, "listeners": listeners(ports)}}, VirtualGateway),
        decode({"metadata": meta("app"), "spec": node}, VirtualNode),
        decode({"metadata": meta("svc"), "spec": service}, VirtualService),
        *(
            decode({"metadata": meta(f"r{index}"), "spec": {**mesh, **reference, "httpRoute": body}}, GatewayRoute)
            for index, body in enumerate([*routes, last])
        ),
    ]
    model = compile_mesh(Snapshot.of(objects), ArnScope())
    assert not model.diagnostics
    return _elsewhere(model.proxies["mesh/m/virtualGateway/gw_prod"])


def _elsewhere(proxy: ProxyModel) -> ProxyModel:
    """The loops on ports of this test, since two tests on one machine cannot share theirs."""
    loops = {one.port: free for one, free in zip(_loops(proxy), free_ports(len(_loops(proxy))), strict=True)}

    def moved(cluster: Cluster) -> Cluster:
        endpoints = tuple(Endpoint(one.address, loops.get(one.port, one.port)) for one in cluster.endpoints)
        return structs.replace(cluster, endpoints=endpoints)

    return structs.replace(
        proxy,
        listeners=tuple(structs.replace(one, port=loops.get(one.port, one.port)) for one in proxy.listeners),
        clusters=tuple(moved(cluster) for cluster in proxy.clusters),
    )


def _loops(proxy: ProxyModel) -> list[Listener]:
    return [listener for listener in proxy.listeners if listener.address == "127.0.0.1"]


def to(app: int, match: Spec, **rewrite: Spec) -> Spec:
    target = {"port": app, "virtualService": {"virtualServiceRef": {"name": "svc"}}}
    return {"match": match, "action": {"target": target, **({"rewrite": rewrite} if rewrite else {})}}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as stack:
        apps = await stack.enter_async_context(application()), await stack.enter_async_context(application())
        envoy = await stack.enter_async_context(running_envoy(tmp_path))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        first, second = free_ports(2)
        yield Gateway(envoy, http, (first, second), apps)


async def test_two_listeners_reach_two_ports_of_one_service(gateway: Gateway) -> None:
    (one, two), ports = gateway.apps, gateway.ports
    await gateway.apply(
        to(one, {"prefix": "/", "port": ports[0]}),
        to(two, {"prefix": "/", "port": ports[1]}),
        to(two, {"prefix": "/two", "port": ports[0]}),
    )
    assert (await gateway.ask("/x")).port == one
    assert (await gateway.ask("/x", listener=1)).port == two
    assert (await gateway.ask("/two/x"))[:4] == (200, two, "/x", HOST)


async def test_nobody_behind_the_gateway_sees_how_it_tells_ports_apart(gateway: Gateway) -> None:
    one, two = gateway.apps
    await gateway.apply(to(one, {"prefix": "/one"}), to(two, {"prefix": "/two"}))
    spoofed = {"x-app-mesh-virtual-service": f"{HOST}:{one}"}
    seen = await gateway.ask("/two", **spoofed)
    assert seen.port == two
    assert "x-app-mesh-virtual-service" not in (seen.headers or {"x-app-mesh-virtual-service"})


async def test_the_callers_host_name_is_kept_where_that_is_asked_for(gateway: Gateway) -> None:
    one, two = gateway.apps
    kept = {"hostname": {"defaultTargetHostname": "DISABLED"}}
    await gateway.apply(to(one, {"prefix": "/own"}, **kept), to(two, {"prefix": "/other"}))
    assert (await gateway.ask("/own/x", Host="shop.example.com"))[:4] == (200, one, "/x", "shop.example.com")
    # The name of the service itself, which another route sends to another port.
    assert (await gateway.ask("/own/x", Host=HOST))[:4] == (200, one, "/x", HOST)
    assert (await gateway.ask("/other/x", Host="shop.example.com"))[:4] == (200, two, "/x", HOST)


@pytest.mark.parametrize(
    ("match", "rewrite", "path", "expected"),
    [
        ({"path": {"regex": "/user/[0-9]+/.*"}}, {"path": {"exact": "/u"}}, "/user/7/a/b?q=1", "/u?q=1"),
        # No group is meant; Envoy takes a backslash for a slash, and two of those for one.
        ({"path": {"regex": "/r.*"}}, {"path": {"exact": r"/\1%2F"}}, "/rest", "/1%2F"),
        ({"path": {"regex": "/r.*"}}, {}, "/rest?x", "/rest?x"),
        ({"path": {"exact": "/e"}}, {"path": {"exact": "/f"}}, "/e?q", "/f?q"),
        ({"path": {"exact": "/e"}}, {}, "/e", "/e"),
        ({"prefix": "/p"}, {}, "/p/a", "/a"),
        ({"prefix": "/p"}, {}, "/px", "/x"),
        ({"prefix": "/p"}, {"prefix": {"value": "/new/"}}, "/p/a?q", "/new/a?q"),
        ({"prefix": "/p"}, {"prefix": {"defaultPrefix": "DISABLED"}}, "/p/a", "/p/a"),
    ],
)
async def test_paths(gateway: Gateway, match: Spec, rewrite: Spec, path: str, expected: str) -> None:
    await gateway.apply(to(gateway.apps[0], match, **rewrite))
    assert (await gateway.ask(path)).path == expected
