"""The controller's role `gateway` against the embedded API server, with the Envoy that it configures."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import aiohttp
import yaml

from crossfade.compile.gateway.compiler import INPUT_KINDS
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.controller.gateway.role import run_gateway_role
from crossfade.controller.gateway.settings import GatewaySettings
from crossfade.envoy.bootstrap import AdsPeer, bootstrap
from crossfade.install.gateway import gateway_crds
from crossfade.kong_conf.listen import Listen
from crossfade.kong_conf.settings import KongSettings
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import NamespacedName
from crossfade_kube.resources import CUSTOM_RESOURCE_DEFINITION, EVENT
from tests.support.api_process import ApiProcess
from tests.support.envoy import Answer, get, until
from tests.support.ports import free_ports

RESOURCES = {kind.RESOURCE.kind: kind.RESOURCE for kind in INPUT_KINDS}
NOTHING: frozenset[str] = frozenset()


class Lab(NamedTuple):
    """A gateway with its Envoy on `port`."""

    client: Client
    http: aiohttp.ClientSession
    port: int

    async def apply(self, text: str) -> None:
        for document in filter(None, yaml.safe_load_all(text)):
            resource = RESOURCES[document["kind"]]
            if resource.namespaced:
                document["metadata"]["namespace"] = "default"
            await self.client.apply(resource, document, field_manager="test")

    async def until_body(self, path: str, body: str) -> None:
        async def answered() -> bool:
            return (await self.get(path)).body == body

        await until(answered)

    async def get(self, path: str) -> Answer:
        return await get(self.http, self.port, path)

    async def condition(self, kind: str, name: str, condition: str) -> str:
        found = await self.client.get(RESOURCES[kind], name, namespace="default")
        conditions = (found.get("status") or {}).get("conditions") or []
        return next((one["status"] for one in conditions if one["type"] == condition), "")

    async def events(self) -> set[tuple[str, str, str]]:
        """Kind and name of the object, and the message."""
        events = (await self.client.list(EVENT)).items
        return {((ref := event["involvedObject"])["kind"], ref["name"], event["message"]) for event in events}


@asynccontextmanager
async def running(
    kubeconfig: Path, workdir: Path, *, told: Mapping[str, str] = MappingProxyType({}), names: frozenset[str] = NOTHING
) -> AsyncIterator[Lab]:
    """The role and its proxy; both end with it. The proxy has told `told`, of which `names` are the controller's own.

    Where `told` says where to listen it replaces the Lab's own `port`, which it may name as `{port}`.
    """
    port, ads_port, health_port, admin_port = free_ports(4)
    settings = GatewaySettings(
        CompileSettings(kong=KongSettings(proxy_listen=(Listen("127.0.0.1", port),))),
        NamespacedName("default", "gateway"),
        "gateway-0",
        kubeconfig=kubeconfig,
        ads_address=f"127.0.0.1:{ads_port}",
        health_port=health_port,
        admin_listen=(),
        kong_names=names,
    )
    texts = {name: text.format(port=port) for name, text in told.items()}
    config = bootstrap(node_id="default/gateway", ads=AdsPeer("127.0.0.1", ads_port), admin_port=admin_port, told=texts)
    async with (
        Client(load_kubeconfig(kubeconfig), user_agent="test") as client,
        aiohttp.ClientSession() as http,
    ):
        role = asyncio.create_task(run_gateway_role(settings))
        envoy = EnvoyProcess.start(json.dumps(config), workdir=workdir, log_level="critical")
        try:
            yield Lab(client, http, port)
        finally:
            envoy.kill()
            envoy.wait(10)
            role.cancel()
            await asyncio.gather(role, return_exceptions=True)


@asynccontextmanager
async def kong_api(folder: Path) -> AsyncIterator[Path]:
    """An API server that knows Kong's kinds; gives its kubeconfig."""
    api = ApiProcess(folder, "--listen", f"127.0.0.1:{free_ports(1)[0]}")
    await (await api.start()).close()
    found = folder / "kubeconfig"
    async with Client(load_kubeconfig(found), user_agent="test") as client:
        for definition in gateway_crds():
            await client.create(CUSTOM_RESOURCE_DEFINITION, definition)
    yield found
    await api.stop()
