"""A gateway that is a virtual node, in both shapes: with a sidecar behind it, and without one.

Manifests stand for a cluster. The sidecar's captured connections are made without iptables: where the gateway would
connect to a port, it connects to a listener that has what the sidecar does with that port.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import aiohttp
from msgspec import structs

from crossfade.compile.gateway.compiler import INPUT_KINDS, CompiledGateway, compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.memo import Memo
from crossfade.compile.mesh_native import OwnNode, OwnSidecar, merged
from crossfade.compile.mesh_native.inputs import MESH_KINDS
from crossfade.compile.model import Cluster, Direction, Discovery, Endpoint, FilterChain, Listener, ProxyModel
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Pod
from crossfade_kube.registry import decode_known, kinds_by_gvk
from tests.support.envoy import Harness, running_envoy, until
from tests.support.ports import free_ports

Json = dict[str, Any]
NODE: Final = "mesh/m/virtualNode/kong_prod"
KINDS: Final = kinds_by_gvk((*INPUT_KINDS, *MESH_KINDS, Pod))
_NAMED: Final = (Discovery.STRICT_DNS, Discovery.LOGICAL_DNS)


class Shape(StrEnum):
    SIDECAR = "sidecar"
    MERGED = "merged"


class MeshGateway:
    """`apply` returns when what was applied is in force."""

    def __init__(self, shape: Shape, gateway: Harness, sidecar: Harness, http: aiohttp.ClientSession) -> None:
        self.shape = shape
        self.port = gateway.port
        self._gateway = gateway
        self._sidecar = sidecar
        self._http = http
        self._settings = CompileSettings(salt=b"salt", cluster_domain="cluster.local")
        self._node = OwnNode(NODE, "cluster.local")
        self._memo, self._merging = Memo(), Memo()
        self._captured: dict[int, int] = {}
        self.compiled: CompiledGateway | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the proxies that a request passes before it is at its virtual node."""
        return (self._gateway.pid, self._sidecar.pid) if self.shape is Shape.SIDECAR else (self._gateway.pid,)

    async def apply(self, objects: Iterable[Json], settled: Mapping[str, int]) -> None:
        """`settled` are statuses by path once it is in force."""
        snapshot = Snapshot.of([found for one in objects if (found := decode_known(one, KINDS)) is not None])
        compiled = compile_gateway(snapshot, self._settings, self._memo)
        sidecar = self._node.sidecar(snapshot)
        assert sidecar is not None
        if self.shape is Shape.MERGED:
            compiled = merged(compiled, sidecar, self._merging)
            model = compiled.model
        else:
            self._sidecar.publish(self._capturing(sidecar))
            model = self._captured_by_sidecar(compiled.model)
        self.compiled = compiled
        self._gateway.publish(_listening(model, self.port))

        async def follows() -> bool:
            return {path: (await self.ask(path))[0] for path in settled} == dict(settled)

        await until(follows)

    async def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        """Status, body and headers, these by lower-case name."""
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            async with self._http.request(method, url, headers=headers, allow_redirects=False) as answer:
                found = {name.lower(): value for name, value in answer.headers.items()}
                return answer.status, await answer.text(), found
        except aiohttp.ClientConnectionError:
            return 0, "", {}

    async def metrics(self) -> str:
        """What whoever asks the mesh's nodes has counted."""
        proxy = self._sidecar if self.shape is Shape.SIDECAR else self._gateway
        url = f"http://127.0.0.1:{proxy.admin_port}/stats/prometheus?filter=crossfade%5B._%5D"
        async with self._http.get(url) as answer:
            return await answer.text()

    def _capturing(self, sidecar: OwnSidecar) -> ProxyModel:
        """A listener for each port; what is passed on goes to where Kong's cluster would have gone."""
        outbound = [one for one in sidecar.model.listeners if one.restores_original_destination][-1]
        listeners = [self._one_port(chain) for chain in outbound.chains if chain.destination_port not in (None, 443)]
        clusters = (
            structs.replace(one, endpoints=sidecar.endpoints.get(one.name, ()), shares_endpoints=False)
            if one.shares_endpoints
            else one
            for one in sidecar.model.clusters
        )
        return structs.replace(sidecar.model, listeners=tuple(listeners), clusters=tuple(clusters))

    def _one_port(self, chain: FilterChain) -> Listener:
        assert chain.destination_port is not None
        port = self._captured.setdefault(chain.destination_port, free_ports(1)[0])
        return Listener(
            f"captured_{chain.destination_port}",
            "127.0.0.1",
            port,
            Direction.OUTBOUND,
            (structs.replace(chain, destination_port=None),),
        )

    def _captured_by_sidecar(self, model: ProxyModel) -> ProxyModel:
        return structs.replace(model, clusters=tuple(map(self._captured_cluster, model.clusters)))

    def _captured_cluster(self, cluster: Cluster) -> Cluster:
        """A port that the sidecar has nothing for is closed."""
        endpoints = tuple(
            Endpoint("127.0.0.1", self._captured.get(one.port, _CLOSED_PORT), one.hostname, one.weight)
            for one in cluster.endpoints
        )
        discovery = Discovery.STATIC if cluster.discovery in _NAMED else cluster.discovery
        return structs.replace(cluster, discovery=discovery, endpoints=endpoints)


_CLOSED_PORT: Final = free_ports(1)[0]


def _listening(model: ProxyModel, port: int) -> ProxyModel:
    (first, *_) = model.listeners
    return structs.replace(model, listeners=(structs.replace(first, address="127.0.0.1", port=port),))


@asynccontextmanager
async def mesh_gateway(shape: Shape, workdir: Path) -> AsyncIterator[MeshGateway]:
    async with AsyncExitStack() as stack:
        folders = [workdir / "gateway", workdir / "sidecar"]
        for folder in folders:
            await asyncio.to_thread(folder.mkdir)
        envoys = [await stack.enter_async_context(running_envoy(folder, has_library=True)) for folder in folders]
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield MeshGateway(shape, *envoys, http)
