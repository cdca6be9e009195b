"""A real Envoy as a mesh's virtual gateway, under the controller's own loop, fed with objects instead of a cluster."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp

from crossfade.api.appmesh import GatewayRoute, Mesh, VirtualGateway, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.mesh import ArnScope
from crossfade.controller.mesh.fault_leases import FaultNews
from crossfade.controller.mesh.loop import MeshLoop
from crossfade.envoy.bootstrap import AdsPeer, bootstrap
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.proxy.preload import preload
from crossfade.store.snapshot import Snapshot
from crossfade.xds.auth import always
from crossfade.xds.inquiry import Finding
from crossfade.xds.server import AdsServer
from crossfade_kube.core import EndpointSlice, Service
from crossfade_kube.logging import EventLog
from crossfade_kube.registry import TypedObject, decode
from tests.support.envoy import Answer, get, until
from tests.support.ports import free_ports

GATEWAY = "mesh/m/virtualGateway/gate_prod"
Json = dict[str, Any]


class Objects:
    """What is stored; iterating gives a snapshot after each change."""

    def __init__(self) -> None:
        self._stored: dict[tuple[type[TypedObject], str], TypedObject] = {}
        self._changed = asyncio.Event()

    def put(
        self, kind: type[TypedObject], name: str, spec: Json, annotations: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        metadata: Json = {"name": name, "annotations": annotations}
        metadata |= {"namespace": "prod"} if kind is not Mesh else {}
        self._stored[kind, name] = decode({"metadata": metadata, "spec": spec}, kind)
        self._changed.set()

    def put_endpoints(
        self,
        name: str,
        *endpoints: tuple[str, int],
        port: int,
        zones: Sequence[str] = (),
        pods: Sequence[str] = (),
        ready: bool = True,
    ) -> None:
        """A Service whose `port` is translated to those of the endpoints; an EndpointSlice for each.

        `zones` and `pods` are the endpoints' own.
        """
        metadata: Json = {"name": name, "namespace": "prod"}
        spec = {"clusterIP": "10.96.0.1", "ports": [{"port": port}]}
        self._stored[Service, name] = decode({"metadata": metadata, "spec": spec}, Service)
        for key in [key for key in self._stored if key[0] is EndpointSlice and key[1].startswith(f"{name}-")]:
            del self._stored[key]
        for number, ((address, at), zone, pod) in enumerate(zip_longest(endpoints, zones, pods, fillvalue="")):
            labels = {"kubernetes.io/service-name": name}
            one = {
                "metadata": {**metadata, "name": f"{name}-{number}", "labels": labels},
                "addressType": "IPv4",
                "ports": [{"port": at}],
                "endpoints": [
                    {
                        "addresses": [address],
                        "conditions": {"ready": ready},
                        "zone": zone,
                        "targetRef": {"kind": "Pod", "name": pod},
                    }
                ],
            }
            self._stored[EndpointSlice, f"{name}-{number}"] = decode(one, EndpointSlice)
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Snapshot]:
        while True:
            self._changed.clear()
            yield Snapshot.of(self._stored.values())
            await self._changed.wait()


class ControlPlane:
    """From start to stop; what it learned ends with it."""

    def __init__(self, objects: Objects) -> None:
        self.findings: list[Finding] = []
        self.faults: list[FaultNews] = []
        self.loop = MeshLoop(
            objects,
            scope=ArnScope(),
            log=EventLog("test"),
            on_found=self.findings.append,
            on_faults=self.faults.extend,
        )
        works = (self.loop.run(), self.loop.run_refusals(), self.loop.run_faults())
        self._tasks = [asyncio.create_task(work) for work in works]
        self._server: AdsServer | None = None

    async def serve(self, port: int) -> None:
        self._server = await AdsServer.start(
            publisher=self.loop.publisher,
            address=f"127.0.0.1:{port}",
            authenticate=always(GATEWAY),
            load_reports=self.loop.load_reports,
        )

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            assert not task.done(), f"a loop ended: {task}"
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class MeshGateway:
    """The gateway listens on `port`; its Envoy takes no pattern of more than `pattern_limit` instructions."""

    def __init__(self, http: aiohttp.ClientSession, workdir: Path, pattern_limit: int) -> None:
        self.objects = Objects()
        self.port, self._admin_port, self._ads_port = free_ports(3)
        self._http = http
        self._workdir = workdir
        self._pattern_limit = pattern_limit
        self._process: EnvoyProcess | None = None
        self.control = ControlPlane(self.objects)

    def put(
        self, kind: type[TypedObject], name: str, spec: Json, annotations: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        reference = {} if kind is Mesh else {"meshRef": {"name": "m"}}
        gateway = {"virtualGatewayRef": {"name": "gate", "namespace": "prod"}} if kind is GatewayRoute else {}
        self.objects.put(kind, name, {**spec, **reference, **gateway}, annotations)

    def put_gateway(self, **more: Any) -> None:
        self.put(Mesh, "m", {})
        self.put(VirtualGateway, "gate", {"listeners": _http_on(self.port), **more})

    def put_service(
        self, name: str, port: int, *more_routes: Json, listener: Json | None = None, host: str = "127.0.0.1"
    ) -> None:
        """`/name` is answered by the server on `port`; `listener` is added to the node's."""
        listeners = [{**each, **(listener or {})} for each in _http_on(port)]
        discovery = {"dns": {"hostname": host}}
        self.put(VirtualNode, name, {"listeners": listeners, "serviceDiscovery": discovery})
        self.put_router(name, *more_routes)
        self.put(VirtualService, name, {"provider": {"virtualRouter": {"virtualRouterRef": {"name": name}}}})
        target = {"target": {"virtualService": {"virtualServiceRef": {"name": name}}}}
        self.put(GatewayRoute, name, {"httpRoute": {"match": {"prefix": f"/{name}"}, "action": target}})

    def put_router(self, name: str, *more_routes: Json, node: str | None = None) -> None:
        all_else = {"name": "all", "httpRoute": {"match": {"prefix": "/"}, "action": to_node(node or name)}}
        self.put(VirtualRouter, name, {"listeners": _http_on(9080), "routes": [*more_routes, all_else]})

    async def start(self) -> None:
        await self.control.serve(self._ads_port)
        ads = AdsPeer("127.0.0.1", self._ads_port)
        made = bootstrap(node_id="prod/gate-1", ads=ads, admin_port=self._admin_port, keeps_all_statistics=True)
        layer = made["layered_runtime"]["layers"][0]["static_layer"]
        layer["re2.max_program_size.error_level"] = self._pattern_limit
        self._process = EnvoyProcess.start(
            json.dumps(made), workdir=self._workdir, log_level="critical", environment=preload(os.environ)
        )

    async def restart_control_plane(self) -> None:
        await self.control.stop()
        self.control = ControlPlane(self.objects)
        await self.control.serve(self._ads_port)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
        await self.control.stop()

    async def get(self, path: str) -> Answer:
        return await get(self._http, self.port, path)

    async def stat(self, name: str) -> int:
        """Of Envoy's statistics; 0 where there is none."""
        async with self._http.get(f"http://127.0.0.1:{self._admin_port}/stats?filter=^{name}$") as answer:
            return int((await answer.text()).partition(": ")[2] or 0)

    async def until(self, path: str, body: str = "", *, status: int = 200) -> None:
        async def answered() -> bool:
            found = await self.get(path)
            return found.status == status and (not body or found.body == body)

        await until(answered)

    async def until_found(self) -> Finding:
        async def is_found() -> bool:
            return bool(self.control.findings)

        await until(is_found)
        return self.control.findings[0]


def to_node(name: str) -> Json:
    return {"weightedTargets": [{"virtualNodeRef": {"name": name}, "weight": 1}]}


def pattern_route(pattern: str, node: str) -> Json:
    match = {"path": {"regex": pattern}}
    return {"name": "pattern", "priority": 1, "httpRoute": {"match": match, "action": to_node(node)}}


def _http_on(port: int) -> list[Json]:
    return [{"portMapping": {"port": port, "protocol": "http"}}]


@asynccontextmanager
async def mesh_gateway(workdir: Path, *, pattern_limit: int = 100) -> AsyncIterator[MeshGateway]:
    async with aiohttp.ClientSession() as http:
        gateway = MeshGateway(http, workdir, pattern_limit)
        try:
            yield gateway
        finally:
            await gateway.stop()


def names_of(items: Iterable[tuple[Any, str]]) -> list[str]:
    return [ref.name for ref, _ in items]
