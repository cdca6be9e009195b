"""Two proxies whose hop is HTTP/1 or HTTP/2, with an application behind one of them that says and hears every byte.

The caller's is a sidecar, or a gateway that needs none. The server's listens on 127.0.0.2 and 127.0.0.4 and the
caller's on 127.0.0.3, at the application's port: that stands in for iptables. A pod without a sidecar is the
application itself, on 127.0.0.1.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from msgspec import structs

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualService
from crossfade.compile.gateway.compiler import compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.memo import Memo
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.mesh.choices import HTTP2_BETWEEN_PROXIES
from crossfade.compile.mesh.sidecars import SIDECAR_ANNOTATION, sidecar_text
from crossfade.compile.mesh_native import OwnNode, merged
from crossfade.compile.model import Direction, ProxyModel
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.shared_endpoints import encode
from crossfade.envoy.telemetry.keys import REQUESTS_KEY
from crossfade.policy_module.path import policy_library_path
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import EndpointSlice, Pod, Service
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.registry import TypedObject, decode
from tests.support.envoy import Harness, running_envoy, until

Json = dict[str, Any]
HOST = "colors.prod.svc.cluster.local"
APP, SERVER, CLIENT, OTHER_SERVER = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"
NODE_PATH = "mesh/m/virtualNode/server_prod"
CALLER_PATH = "mesh/m/virtualNode/client_prod"
_PATIENCE_S = 10.0
_WITHOUT_BODY = ("100", "103", "101", "204", "304")
ENDS = b"\r\n\r\n"


class Caller(StrEnum):
    """Whose proxy the client's is."""

    SIDECAR = "sidecar"
    GATEWAY = "gateway"


class Heard(NamedTuple):
    """A message as it came; the framing of its body is undone."""

    first_line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def without(self, *names: str) -> "Heard":
        kept = tuple(sorted(one for one in self.headers if one[0].lower() not in names))
        return self._replace(headers=kept)


class RawApp:
    """Answers each request with what `answer` makes of it, piece by piece; closes when that is empty at the end."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[Heard], list[bytes]] = lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await read_message(reader)
                self.heard.append(request)
                pieces = self.answer(request)
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                if not pieces[-1]:
                    return
        except (OSError, EOFError):
            return
        finally:
            writer.close()


async def read_message(reader: asyncio.StreamReader, *, has_body: bool = True) -> Heard:
    """Raises EOFError where the peer has ended. An answer of neither length nor chunks goes on until the end."""
    head = (await reader.readuntil(ENDS)).decode("latin-1")
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return Heard(first, headers, await _body(reader, first, headers) if has_body else b"")


async def _body(reader: asyncio.StreamReader, first: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    found = {name.lower(): value for name, value in headers}
    if first.startswith("HTTP/") and first.split()[1] in _WITHOUT_BODY:
        return b""
    if "chunked" in found.get("transfer-encoding", ""):
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return body
    if "content-length" in found:
        return await reader.readexactly(int(found["content-length"]))
    return await reader.read() if first.startswith("HTTP/") else b""


class CarriedPair:
    """`port` is the application's."""

    def __init__(
        self,
        caller: Caller,
        app: RawApp,
        listening: asyncio.Server,
        server: Harness,
        client: Harness,
        http: aiohttp.ClientSession,
    ) -> None:
        self.caller = caller
        self.app = app
        self.port: int = listening.sockets[0].getsockname()[1]
        self._listening = listening
        self.http = http
        self._server = server
        self._client = client
        self._node = OwnNode(CALLER_PATH, "cluster.local")
        self._gateway, self._merging = Memo(), Memo()

    @property
    def pids(self) -> tuple[int, int]:
        """Of the two proxies."""
        return self._client.pid, self._server.pid

    @property
    def url(self) -> str:
        return f"http://{CLIENT}:{self.port}"

    def publish(self, pods: Mapping[str, bool], *, asks: bool = True, tls: Json | None = None) -> None:
        """`pods` are addresses, true for those with a sidecar."""
        snapshot = Snapshot.of(self._objects(pods, asks=asks, tls=tls))
        model = compile_mesh(snapshot, ArnScope())
        assert not model.diagnostics
        endpoints = model.endpoints["m"]
        addresses = (SERVER, OTHER_SERVER)
        server = _only(model.proxies[NODE_PATH], Direction.INBOUND, addresses, self.port)
        if self.caller is Caller.GATEWAY:
            client = _only(self._gateway_of(snapshot), Direction.INBOUND, (CLIENT,), self.port)
        else:
            client = _only(model.proxies[CALLER_PATH], Direction.OUTBOUND, (CLIENT,), self.port)
        for harness, proxy in ((self._server, server), (self._client, client)):
            shared = {one.endpoints_name for one in proxy.clusters if one.shares_endpoints}
            resources = resources_from_model(proxy, options=EnvoyOptions(policy_library_path()))
            if shared:
                own = {name: encode(name, endpoints[name]) for name in shared}
                resources = resources.with_all(ResourceType.ENDPOINTS, own)
            harness.publish_made(proxy, resources)

    def _gateway_of(self, snapshot: Snapshot) -> ProxyModel:
        settings = CompileSettings(salt=b"salt", cluster_domain="cluster.local")
        sidecar = self._node.sidecar(snapshot)
        assert sidecar is not None
        return merged(compile_gateway(snapshot, settings, self._gateway), sidecar, self._merging).model

    def _objects(self, pods: Mapping[str, bool], *, asks: bool, tls: Json | None) -> list[TypedObject]:
        metadata: Json = {"namespace": "prod"}
        listener = {"portMapping": {"port": self.port, "protocol": "http"}, **({"tls": tls} if tls else {})}
        node = {
            "meshRef": {"name": "m"},
            "listeners": [listener],
            "serviceDiscovery": {"dns": {"hostname": HOST}},
        }
        backends = [{"virtualService": {"virtualServiceRef": {"name": "colors"}}}]
        provider = {"virtualNode": {"virtualNodeRef": {"name": "server"}}}
        asked = {"annotations": {HTTP2_BETWEEN_PROXIES.key: "enabled"}} if asks else {}
        ends = [
            {"addresses": [address], "targetRef": {"kind": "Pod", "name": f"pod-{address}"}} for address in sorted(pods)
        ]
        labels = {"kubernetes.io/service-name": "colors"}
        return [
            decode({"metadata": {"name": "m"}, "spec": {}}, Mesh),
            decode({"metadata": {**metadata, "name": "server", **asked}, "spec": node}, VirtualNode),
            decode(
                {"metadata": {**metadata, "name": "client"}, "spec": {"meshRef": {"name": "m"}, "backends": backends}},
                VirtualNode,
            ),
            decode(
                {
                    "metadata": {**metadata, "name": "colors"},
                    "spec": {"meshRef": {"name": "m"}, "awsName": HOST, "provider": provider},
                },
                VirtualService,
            ),
            self._service(metadata),
            decode(
                {
                    "metadata": {**metadata, "name": "colors"},
                    "spec": {
                        "ingressClassName": "kong",
                        "defaultBackend": {"service": {"name": "colors", "port": {"number": self.port}}},
                    },
                },
                Ingress,
            ),
            decode(
                {
                    "metadata": {**metadata, "name": "colors-1", "labels": labels},
                    "addressType": "IPv4",
                    "endpoints": ends,
                },
                EndpointSlice,
            ),
            *(self._pod(address, has_sidecar=has_sidecar) for address, has_sidecar in pods.items()),
        ]

    def _service(self, metadata: Json) -> TypedObject:
        annotations = {"ingress.kubernetes.io/service-upstream": "true"}
        spec = {"clusterIP": "None", "ports": [{"name": "http", "port": self.port}]}
        return decode({"metadata": {**metadata, "name": "colors", "annotations": annotations}, "spec": spec}, Service)

    def _pod(self, address: str, *, has_sidecar: bool) -> Pod:
        own = {SIDECAR_ANNOTATION: sidecar_text(NODE_PATH, str(self.port))} if has_sidecar else {}
        return decode({"metadata": {"name": f"pod-{address}", "namespace": "prod", "annotations": own}}, Pod)

    async def says(self, request: bytes, *, has_body: bool = True) -> Heard:
        """The final answer to the bytes, sent to the client's sidecar on a connection of their own."""
        reader, writer = await asyncio.open_connection(CLIENT, self.port)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                writer.write(request)
                while (answer := await read_message(reader, has_body=has_body)).first_line.startswith("HTTP/1.1 1"):
                    pass
            return answer
        finally:
            writer.close()

    async def spoken(self) -> str:
        """`http1` or `http2`, as the server's sidecar hears a request; empty where it does not come."""
        try:
            before = await self.heard_requests()
            async with self.http.get(f"{self.url}/") as response:
                await response.read()
        except aiohttp.ClientConnectionError:
            return ""
        return "".join(await self.heard_requests() - before) if response.status == 200 else ""

    async def until_spoken(self, protocol: str) -> None:
        async def is_spoken() -> bool:
            return await self.spoken() == protocol

        await until(is_spoken)

    async def until_heard(self, protocol: str) -> None:
        """Until the requests that others send come in this one alone."""

        async def is_alone() -> bool:
            before = await self.heard_requests()
            await self.http.get(f"{self.url}/")
            return set(await self.heard_requests() - before) == {protocol}

        await until(is_alone)

    async def count_requests(self, *, counts: bool) -> None:
        """Whether both proxies count them, as they do by default (`CROSSFADE_MESH_METRICS`)."""
        for harness in (self._server, self._client):
            share = 100 if counts else 0
            url = f"http://127.0.0.1:{harness.admin_port}/runtime_modify?{REQUESTS_KEY}={share}"
            async with self.http.post(url) as answer:
                assert answer.status == 200

    async def close_app(self) -> None:
        """Another one may listen at its port."""
        self._listening.close()
        await self._listening.wait_closed()

    async def heard_requests(self) -> Counter[str]:
        """By protocol."""
        async with self.http.get(f"http://127.0.0.1:{self._server.admin_port}/stats?filter=http.ingress.") as page:
            lines = (line.partition(": ") for line in (await page.text()).splitlines())
        found = {name.rpartition(".")[2]: int(value) for name, _, value in lines if value.isdecimal()}
        return Counter({name: found.get(f"downstream_rq_{name}_total", 0) for name in ("http1", "http2")})

    async def stats(self) -> dict[str, int]:
        """Of the client's sidecar, about its cluster."""
        async with self.http.get(
            f"http://127.0.0.1:{self._client.admin_port}/stats?filter=cds_egress_m_server"
        ) as page:
            lines = (line.partition(": ") for line in (await page.text()).splitlines())
        return {
            name.rpartition("_http_")[2].partition(".")[2]: int(value) for name, _, value in lines if value.isdecimal()
        }

    async def requests_by_host(self) -> dict[str, int]:
        async with self.http.get(f"http://127.0.0.1:{self._client.admin_port}/clusters") as page:
            lines = [line.split("::") for line in (await page.text()).splitlines()]
        return {
            line[1].rpartition(":")[0]: int(line[3])
            for line in lines
            if len(line) == 4 and line[0].startswith("cds_egress_m_server") and line[2] == "rq_total"
        }


def _only(proxy: ProxyModel, direction: Direction, addresses: tuple[str, ...], port: int) -> ProxyModel:
    listener = next(one for one in proxy.listeners if one.direction is direction)
    listeners = (
        structs.replace(
            listener, name=f"{listener.name}_{one}", address=one, port=port, restores_original_destination=False
        )
        for one in addresses
    )
    return structs.replace(proxy, listeners=tuple(listeners))


@asynccontextmanager
async def carried_pair(
    workdir: Path, caller: Caller = Caller.SIDECAR, *, has_library: bool = True
) -> AsyncIterator[CarriedPair]:
    """`has_library`: whether they count requests by the library `counts`, or by Envoy's own log."""
    for name in ("server", "client"):
        (workdir / name).mkdir()
    app = RawApp()
    listening = await asyncio.start_server(app.serve, APP, 0, limit=2**24)
    async with (
        aiohttp.ClientSession(headers={"Host": HOST}) as http,
        running_envoy(workdir / "server", has_library=has_library) as server,
        running_envoy(workdir / "client", has_library=has_library) as client,
    ):
        try:
            yield CarriedPair(caller, app, listening, server, client, http)
        finally:
            listening.close()
