"""A request that no application has seen is sent to another pod; one that an application has seen, never without leave.

A virtual gateway stands for any client; the servers' sidecars are Envoys of their own in front of real applications.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import pytest
from msgspec import structs

from crossfade.api.appmesh import GatewayRoute, Mesh, VirtualGateway, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.model import Direction, ProxyModel
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import decode
from tests.support.envoy import Harness, get, running_envoy, until
from tests.support.mesh_envoy import MeshGateway, mesh_gateway, to_node
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy

LOOPBACK = "127.0.0.1"
PORT = 9080
NO_RETRIES = {"httpRetryEvents": ["server-error"], "maxRetries": 0, "perRetryTimeout": {"unit": "s", "value": 5}}
MARK = "x-envoy-upstream-healthchecked-cluster"


class App:
    """Answers every request with `status` and `headers`; counts them."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.seen = 0
        self.status = 200
        self.headers: dict[str, str] = {}
        self.delay_s = 0.0
        self.hangs_up = False
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._handle, LOOPBACK, self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.seen += 1
                await asyncio.sleep(self.delay_s)
                if self.hangs_up:
                    return
                lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                writer.write(f"HTTP/1.1 {self.status} x\r\n{lines}content-length: 3\r\n\r\napp".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()


def sidecar_model(app_port: int, port: int, *, protocol: str = "http", **listener: Any) -> ProxyModel:
    """The inbound side of a node, on `port` instead of behind iptables."""
    listeners = [{"portMapping": {"port": app_port, "protocol": protocol}, **listener}]
    spec = {
        "meshRef": {"name": "m"},
        "listeners": listeners,
        "serviceDiscovery": {"dns": {"hostname": "jazz.prod"}},
    }
    objects = [
        decode({"metadata": {"name": "m"}}, Mesh),
        decode({"metadata": {"name": "jazz", "namespace": "prod"}, "spec": spec}, VirtualNode),
    ]
    (proxy,) = compile_mesh(Snapshot.of(objects), ArnScope()).proxies.values()
    inbound = next(one for one in proxy.listeners if one.direction is Direction.INBOUND)
    (chain,) = inbound.chains
    bound = structs.replace(
        inbound,
        address=LOOPBACK,
        port=port,
        restores_original_destination=False,
        chains=(structs.replace(chain, destination_port=None),),
    )
    return structs.replace(proxy, listeners=(bound,))


class Pods:
    """A gateway in front of pods, each an application with its sidecar."""

    def __init__(self, gateway: MeshGateway, apps: list[App], sidecars: list[Harness], http: aiohttp.ClientSession):
        self.gateway = gateway
        self.apps = apps
        self.sidecars = sidecars
        self._http = http

    def route(self, **more: Any) -> None:
        """All to the node `jazz`, by a route of this kind."""
        route = {"name": "r", "priority": 0, "httpRoute": {"match": {"prefix": "/"}, "action": to_node("jazz"), **more}}
        self.gateway.put_router("jazz", route)

    async def get(self) -> aiohttp.ClientResponse:
        async with self._http.get(f"http://{LOOPBACK}:{self.gateway.port}/jazz") as answer:
            await answer.read()
            return answer


@asynccontextmanager
async def pods(workdir: Path, count: int, **listener: Any) -> AsyncIterator[Pods]:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(mesh_gateway(workdir))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        apps, sidecars = [], []
        for number in range(count):
            folder = workdir / f"pod-{number}"
            folder.mkdir()
            app, sidecar = App(), await stack.enter_async_context(running_envoy(folder))
            await app.start()
            sidecar.publish(sidecar_model(app.port, sidecar.port, **listener))
            apps.append(app)
            sidecars.append(sidecar)
        for sidecar in sidecars:
            await sidecar.until_status(200)
        gateway.put_gateway()
        gateway.objects.put_endpoints("jazz", *((LOOPBACK, one.port) for one in sidecars), port=PORT)
        gateway.put_service("jazz", PORT, host="jazz.prod.svc.cluster.local")
        await gateway.start()
        await gateway.until("/jazz")
        made = Pods(gateway, apps, sidecars, http)
        try:
            yield made
        finally:
            for app in apps:
                await app.stop()


@pytest.mark.parametrize("policy", [{}, {"retryPolicy": NO_RETRIES}], ids=["default", "no retries"])
async def test_a_pod_whose_application_is_gone_loses_no_request(tmp_path: Path, policy: dict[str, Any]) -> None:
    async with pods(tmp_path, 3) as found:
        found.route(**policy)
        await found.gateway.until("/jazz")
        await found.apps[0].stop()
        await found.apps[1].stop()
        # The sidecars have connections that end now; what is new is refused.
        for sidecar in found.sidecars[:2]:
            await until(lambda sidecar=sidecar: is_refused(sidecar))  # type: ignore[misc]
        answers = [await found.get() for _ in range(60)]
        assert {answer.status for answer in answers} == {200}
        assert not any(MARK in answer.headers for answer in answers)


async def is_refused(sidecar: Harness) -> bool:
    return (await sidecar.get()).status == 503


@pytest.mark.parametrize("policy", [{}, {"retryPolicy": NO_RETRIES}], ids=["default", "no retries"])
async def test_a_pod_that_is_gone_loses_no_request(tmp_path: Path, policy: dict[str, Any]) -> None:
    async with pods(tmp_path, 2) as found:
        found.route(**policy)
        await found.gateway.until("/jazz")
        await found.sidecars[0].stop_envoy()
        assert {(await found.get()).status for _ in range(40)} == {200}


async def test_where_nobody_is_left_the_client_learns_it_without_our_mark(tmp_path: Path) -> None:
    async with pods(tmp_path, 1) as found:
        await found.apps[0].stop()
        await until(lambda: is_refused(found.sidecars[0]))
        answer = await found.get()
        assert answer.status == 503
        assert MARK not in answer.headers


async def test_what_an_application_has_answered_is_not_asked_again_without_leave(tmp_path: Path) -> None:
    async with pods(tmp_path, 1) as found:
        app = found.apps[0]
        found.route(retryPolicy=NO_RETRIES)
        await found.gateway.until("/jazz")
        app.status, app.headers = 503, {MARK: "x-crossfade-undelivered"}

        async def is_asked_once() -> bool:
            before = app.seen
            await found.get()
            return app.seen - before == 1

        # Until the route is there the one before it asks again.
        await until(is_asked_once)
        before = app.seen
        answer = await found.get()
        assert (answer.status, MARK in answer.headers) == (503, False)
        assert app.seen - before == 1


async def test_a_sidecar_tells_its_callers_proxy_alone_that_its_application_hung_up(tmp_path: Path) -> None:
    async with pods(tmp_path, 1) as found:
        app, sidecar = found.apps[0], found.sidecars[0]
        found.route(retryPolicy=NO_RETRIES)
        await found.gateway.until("/jazz")
        app.status, app.headers = 503, {MARK: "x-crossfade-unanswered"}
        assert MARK not in (await ask(sidecar.port)).headers, "an application cannot say it"

        app.hangs_up = True
        before = app.seen
        answer = await ask(sidecar.port)
        assert (answer.status, answer.headers.get(MARK)) == (503, "x-crossfade-unanswered")
        answer = await found.get()
        assert (answer.status, MARK in answer.headers) == (503, False)
        # Each asked once: the author wants no retries of what was delivered.
        assert app.seen - before == 2


async def ask(port: int) -> aiohttp.ClientResponse:
    async with aiohttp.ClientSession() as http, http.get(f"http://{LOOPBACK}:{port}/") as answer:
        await answer.read()
        return answer


async def test_an_overload_is_not_made_worse(tmp_path: Path) -> None:
    async with pods(tmp_path, 1) as found:
        app = found.apps[0]
        app.status, app.headers = 503, {"x-envoy-overloaded": "true"}
        before = app.seen
        answer = await found.get()
        assert (answer.status, answer.headers.get("x-envoy-overloaded")) == (503, "true")
        assert app.seen - before == 1

        app.headers = {}
        before = app.seen
        assert (await found.get()).status == 503
        # The default policy: two more tries.
        assert app.seen - before == 3


async def test_a_sidecar_that_refuses_more_is_asked_once(tmp_path: Path) -> None:
    pool = {"connectionPool": {"http": {"maxConnections": 1, "maxPendingRequests": 1}}}
    async with pods(tmp_path, 1, **pool) as found:
        found.apps[0].delay_s = 0.5
        answers = await asyncio.gather(*(found.get() for _ in range(12)))
        refused = [answer for answer in answers if answer.headers.get("x-envoy-overloaded")]
        assert refused
        assert {answer.status for answer in refused} == {503}
        stats = await statistics(found.sidecars[0])
        # One for the connection, one that waits; the others were refused, none of them twice.
        assert stats["http.ingress.downstream_rq_total"] <= 1 + 12 + 1


async def statistics(sidecar: Harness) -> dict[str, int]:
    async with aiohttp.ClientSession() as http:
        answer = await get(http, sidecar.admin_port, "/stats?filter=downstream_rq_total")
    lines = (line.split(": ") for line in answer.body.splitlines() if ": " in line)
    return {name: int(value) for name, value in lines if value.isdigit()}


class GrpcApp:
    """Answers every call."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)

    async def start(self) -> None:
        handler = grpc.unary_unary_rpc_method_handler(self._answer)
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("dj.Jazz", {"Play": handler}),))
        self._server.add_insecure_port(f"{LOOPBACK}:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)

    async def _answer(self, request: bytes, _: Any) -> bytes:
        return request


async def test_a_call_of_grpc_is_tried_elsewhere_too(tmp_path: Path) -> None:
    """The sidecar's own answer to it has status 200 and says in a header that it was none."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(mesh_gateway(tmp_path))
        apps, ports = [GrpcApp(), GrpcApp()], []
        for number, app in enumerate(apps):
            folder = tmp_path / f"pod-{number}"
            folder.mkdir()
            await app.start()
            stack.push_async_callback(app.stop)
            sidecar = await stack.enter_async_context(running_envoy(folder))
            sidecar.publish(sidecar_model(app.port, sidecar.port, protocol="grpc"))
            ports.append(sidecar.port)
        put_grpc(gateway, ports)
        await gateway.start()
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"{LOOPBACK}:{gateway.port}"))
        call: Any = channel.unary_unary("/dj.Jazz/Play")

        async def all_answer() -> bool:
            try:
                return [await call(b"song") for _ in range(10)] == [b"song"] * 10
            except grpc.aio.AioRpcError:
                return False

        await until(all_answer)
        await apps[0].stop()
        assert [await call(b"song") for _ in range(40)] == [b"song"] * 40
        await apps[1].stop()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(b"song")
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        assert MARK not in dict(failed.value.initial_metadata())


def put_grpc(gateway: MeshGateway, ports: list[int]) -> None:
    """A gateway, and behind it the one node on these ports; its route wants no retries."""
    listeners = [{"portMapping": {"port": PORT, "protocol": "grpc"}}]
    own = [{"portMapping": {"port": gateway.port, "protocol": "grpc"}}]
    discovery = {"dns": {"hostname": "jazz.prod.svc.cluster.local"}}
    policy = {**NO_RETRIES, "grpcRetryEvents": ["unavailable"]}
    body = {"match": {"serviceName": "dj.Jazz"}, "action": to_node("jazz"), "retryPolicy": policy}
    gateway.put(Mesh, "m", {})
    gateway.put(VirtualGateway, "gate", {"listeners": own})
    gateway.objects.put_endpoints("jazz", *((LOOPBACK, port) for port in ports), port=PORT)
    gateway.put(VirtualNode, "jazz", {"listeners": listeners, "serviceDiscovery": discovery})
    gateway.put(VirtualRouter, "jazz", {"listeners": listeners, "routes": [{"name": "r", "grpcRoute": body}]})
    gateway.put(VirtualService, "jazz", {"provider": {"virtualRouter": {"virtualRouterRef": {"name": "jazz"}}}})
    action = {"target": {"virtualService": {"virtualServiceRef": {"name": "jazz"}}}}
    gateway.put(GatewayRoute, "jazz", {"grpcRoute": {"match": {"serviceName": "dj.Jazz"}, "action": action}})
