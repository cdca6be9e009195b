"""Objects that the gateway cannot carry out, in a cluster: their authors are told, the others go live at once.

The controller's role runs here against the embedded API server, with the Envoy that it configures.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
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
from tests.support.envoy import Answer, backend, get, until
from tests.support.gateway import ingress
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy

RESOURCES = {kind.RESOURCE.kind: kind.RESOURCE for kind in INPUT_KINDS}
BAD = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit}
plugin: rate-limiting
config: {minute: 5, error_code: 700}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: caller, annotations: {kubernetes.io/ingress.class: kong}}
username: caller
credentials: [key]
---
apiVersion: v1
kind: Secret
metadata: {name: key, labels: {konghq.com/credential: key-auth}}
stringData: {key: sesame, ttl: "9999999999999"}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: odd}
spec:
  ingressClassName: kong
  rules:
  - http:
      paths:
      - {path: '/~/odd\\C', pathType: ImplementationSpecific, backend: {service: {name: one, port: {number: 80}}}}
---
"""
# Kind and name to what its Event says.
TOLD = {
    ("KongPlugin", "limit"): "error_code",
    ("Ingress", "limited"): "answered 503",
    ("KongConsumer", "caller"): "Failed to parse ttl",
    ("Ingress", "odd"): "unrecognized escape",
    ("Service", "slow"): "the annotation is ignored",
}


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

    async def told(self) -> set[tuple[str, str]]:
        """Which of `TOLD` are."""
        events = (await self.client.list(EVENT)).items
        found = {((ref := event["involvedObject"])["kind"], ref["name"], event["message"]) for event in events}
        return {(kind, name) for kind, name, message in found if TOLD.get((kind, name), "\0") in message}


@asynccontextmanager
async def running(kubeconfig: Path, workdir: Path) -> AsyncIterator[Lab]:
    """The role and its proxy; both end with it."""
    port, ads_port, health_port, admin_port = free_ports(4)
    settings = GatewaySettings(
        CompileSettings(kong=KongSettings(proxy_listen=(Listen("127.0.0.1", port),))),
        NamespacedName("default", "gateway"),
        "gateway-0",
        kubeconfig=kubeconfig,
        ads_address=f"127.0.0.1:{ads_port}",
        health_port=health_port,
    )
    config = bootstrap(node_id="default/gateway", ads=AdsPeer("127.0.0.1", ads_port), admin_port=admin_port)
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


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    api = ApiProcess(tmp_path / "api", "--listen", f"127.0.0.1:{free_ports(1)[0]}")
    await (await api.start()).close()
    found = tmp_path / "api" / "kubeconfig"
    async with Client(load_kubeconfig(found), user_agent="test") as client:
        for definition in gateway_crds():
            await client.create(CUSTOM_RESOURCE_DEFINITION, definition)
    yield found
    await api.stop()


def local_service(name: str, annotations: str = "") -> str:
    """A Service on this machine; a cluster's endpoints may not be."""
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\n"
        "spec: {type: ExternalName, externalName: 127.0.0.1}\n---\n"
    )


def route(name: str, service: str, port: int, annotations: str = "") -> str:
    return ingress(name, f"/{name}", service, annotations).replace("number: 80", f"number: {port}")


async def test_bad_objects_are_told_and_good_ones_go_live(kubeconfig: Path, tmp_path: Path) -> None:
    async with running(kubeconfig, tmp_path) as lab, backend("one") as one, backend("two") as two:
        await lab.apply(BAD + route("limited", "here", one.port, "konghq.com/plugins: limit"))
        await lab.apply(local_service("slow", 'konghq.com/read-timeout: "-5"') + route("slow", "slow", one.port))
        await lab.apply(local_service("here") + route("good", "here", one.port))
        await lab.until_body("/good", "one")
        await lab.apply(route("good", "here", two.port))
        await lab.until_body("/good", "two")
        await lab.until_body("/slow", "one")
        assert (await lab.get("/limited")).status == 503
        assert (await lab.get("/odd")).status == 404

        async def all_told() -> bool:
            return await lab.told() == TOLD.keys()

        await until(all_told)

        async def judged() -> bool:
            return [
                await lab.condition("KongPlugin", "limit", "Programmed"),
                await lab.condition("KongConsumer", "caller", "CredentialSecretRefsValid"),
                await lab.condition("KongConsumer", "caller", "Programmed"),
            ] == ["False", "False", "True"]

        await until(judged)
    # A new control plane and a new proxy find all of it there.
    async with running(kubeconfig, tmp_path) as lab, backend("two") as two:
        await lab.apply(route("good", "here", two.port))
        await lab.until_body("/good", "two")
        assert (await lab.get("/limited")).status == 503

        await lab.client.patch(RESOURCES["KongPlugin"], "limit", {"config": {"error_code": 429}}, namespace="default")

        async def mended() -> bool:
            return await lab.condition("KongPlugin", "limit", "Programmed") == "True"

        await until(mended)
