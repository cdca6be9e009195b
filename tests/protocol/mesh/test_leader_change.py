"""Of two controllers of any versions one writes statuses; when it is killed the other goes on within the lease."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import aiohttp
import pytest

from crossfade import __version__
from crossfade.api.appmesh import Mesh, VirtualNode, VirtualRouter
from crossfade.inject.settings import AUTHORITY_BUNDLE
from crossfade.install.mesh_names import CERTIFICATE_SECRET, LEASE
from crossfade_kube.core.lease import Lease
from crossfade_kube.errors import NotFound
from crossfade_kube.lease import LeaseTimes
from crossfade_kube.resources import (
    CONFIG_MAP,
    MUTATING_WEBHOOK_CONFIGURATION,
    NAMESPACE,
    SECRET,
    VALIDATING_WEBHOOK_CONFIGURATION,
)
from tests.protocol.mesh.conftest import Lab
from tests.support.ports import free_ports

Json = dict[str, Any]
LISTENERS: Final = [{"portMapping": {"port": 80, "protocol": "http"}}]
NODE: Final[Json] = {"listeners": LISTENERS, "serviceDiscovery": {"dns": {"hostname": "v1.test"}}, "podSelector": {}}
SLACK_S: Final = 5.0


def router(target: str) -> Json:
    action = {"weightedTargets": [{"virtualNodeRef": {"name": target}, "weight": 1}]}
    routes = [{"name": "all", "httpRoute": {"match": {"prefix": "/"}, "action": action}}]
    return {"listeners": LISTENERS, "routes": routes}


async def make(lab: Lab, kind: Any, name: str, spec: Json) -> None:
    namespace = {"namespace": "led"} if kind.RESOURCE.namespaced else {}
    obj = {"apiVersion": kind.RESOURCE.api_version, "kind": kind.RESOURCE.kind}
    await lab.admin.create(kind.RESOURCE, {**obj, "metadata": {"name": name, **namespace}, "spec": spec})


async def condition(lab: Lab, kind: Any, name: str, *, within_s: float = 10) -> Json:
    """The object's first one, once it has some."""

    async def found() -> Json | None:
        obj = await lab.admin.get(kind.RESOURCE, name, namespace="led")
        conditions = (obj.get("status") or {}).get("conditions")
        return conditions[0] if conditions else None

    return await lab.until(found, within_s=within_s)


async def holder(lab: Lab) -> str:
    try:
        lease = await lab.admin.get(Lease.RESOURCE, LEASE, namespace="appmesh-system")
    except NotFound:
        return ""
    return str(lease["spec"].get("holderIdentity", ""))


async def until_led_by(lab: Lab, identity: str) -> None:
    async def found() -> bool | None:
        return True if await holder(lab) == identity else None

    await lab.until(found, within_s=LeaseTimes().duration_s + SLACK_S)


@asynccontextmanager
async def controller(lab: Lab, identity: str, version: str = __version__) -> AsyncIterator[asyncio.subprocess.Process]:
    """Ready: it has compiled what there is, and serves."""
    ports = free_ports(3)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.mesh_controller", str(lab.settings.kubeconfig), identity, version),
        *map(str, ports),
    )

    async def is_ready(http: aiohttp.ClientSession) -> bool | None:
        assert process.returncode is None
        try:
            async with http.get(f"http://127.0.0.1:{ports[-1]}/readyz") as answer:
                return True if answer.status == 200 else None
        except aiohttp.ClientConnectionError:
            return None

    try:
        async with aiohttp.ClientSession() as http:
            await lab.until(lambda: is_ready(http), within_s=30)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def shared(lab: Lab) -> dict[str, str] | None:
    """What every controller keeps, whoever leads, once it is there: the authority, where it is told, registrations."""
    found = [
        *(await lab.admin.list(SECRET, namespace="appmesh-system")).items,
        *(await lab.admin.list(CONFIG_MAP, namespace="led")).items,
        *(await lab.admin.list(MUTATING_WEBHOOK_CONFIGURATION)).items,
        *(await lab.admin.list(VALIDATING_WEBHOOK_CONFIGURATION)).items,
    ]
    versions = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in found}
    return versions if {AUTHORITY_BUNDLE, CERTIFICATE_SECRET} <= versions.keys() else None


@pytest.mark.timeout(120)
async def test_when_the_leader_is_killed_the_other_controller_writes_statuses_within_the_lease(lab: Lab) -> None:
    metadata = {"name": "led", "labels": {"mesh": "led"}}
    await lab.admin.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    await make(lab, Mesh, "led", {"namespaceSelector": {"matchLabels": {"mesh": "led"}}})
    await make(lab, VirtualNode, "v1", NODE)
    async with AsyncExitStack() as running:
        leader = await running.enter_async_context(controller(lab, "first"))
        await until_led_by(lab, "first")
        before = await condition(lab, VirtualNode, "v1")
        kept = await lab.until(lambda: shared(lab))
        await running.enter_async_context(controller(lab, "second", "9.9.9"))
        assert before["status"] == "True"
        leader.kill()
        await leader.wait()
        await make(lab, VirtualRouter, "good", router("v1"))
        await make(lab, VirtualRouter, "bad", router("ghost"))
        # From the last renewal the lease lasts this long, and the other controller looks at it this often.
        async with asyncio.timeout(LeaseTimes().duration_s + LeaseTimes().retry_s + SLACK_S):
            good, bad = [await condition(lab, VirtualRouter, name, within_s=60) for name in ("good", "bad")]
        assert await holder(lab) == "second"
        assert await shared(lab) == kept, "one version writes over the other"
        assert good["status"] == "True"
        assert (bad["status"], "virtualNode" in bad["message"]) == ("False", True)
        # What was right stays as it is, to the second.
        assert await condition(lab, VirtualNode, "v1") == before
        await running.enter_async_context(controller(lab, "first"))
        await make(lab, VirtualRouter, "later", router("v1"))
        assert (await condition(lab, VirtualRouter, "later"))["status"] == "True"
        assert await holder(lab) == "second"
