"""The controllers and a pretended node against the real embedded API server."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import Resource
from crossfade_kube.resources import DEPLOYMENT, EVENT, NAMESPACE, POD, REPLICA_SET, SERVICE_ACCOUNT
from crossfade_local.certificate_requests import Authority
from crossfade_local.controllers import run_controllers
from crossfade_local.local_volumes import LocalVolumes
from tests.support.api_server import ApiServerProcess
from tests.support.fake_kubelet import FakeKubelet

Json = dict[str, Any]
DEADLINE_S = 20.0


class Bed:
    """A namespace of its own in a running cluster, with what tests do and ask."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def create(self, resource: Resource, obj: Json) -> Json:
        metadata = {"namespace": self.namespace, **obj["metadata"]} if resource.namespaced else obj["metadata"]
        full = {"apiVersion": resource.api_version, "kind": resource.kind, **obj, "metadata": metadata}
        return await self.client.create(resource, full)

    async def get(self, resource: Resource, name: str) -> Json | None:
        try:
            return await self.client.get(resource, name, namespace=self.namespace)
        except NotFound:
            return None

    async def all(self, resource: Resource) -> list[Json]:
        return (await self.client.list(resource, namespace=self.namespace)).items

    async def patch(self, resource: Resource, name: str, patch: Json) -> Json:
        return await self.client.patch(resource, name, patch, namespace=self.namespace)

    async def deploy(self, name: str, *, replicas: int = 1, image: str = "example.com/a:v1", **spec: Any) -> Json:
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}
        selector = {"matchLabels": {"app": name}}
        full = {"replicas": replicas, "selector": selector, "template": template, **spec}
        return await self.create(DEPLOYMENT, {"metadata": {"name": name}, "spec": full})

    async def set_image(self, name: str, image: str) -> None:
        containers = [{"name": "c", "image": image}]
        await self.patch(DEPLOYMENT, name, {"spec": {"template": {"spec": {"containers": containers}}}})

    async def rolled_out(self, name: str) -> Json:
        """As `kubectl rollout status` sees it."""

        async def finished() -> Json | None:
            found = await self.get(DEPLOYMENT, name)
            status, wanted = (found or {}).get("status") or {}, ((found or {}).get("spec") or {}).get("replicas")
            counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
            observed = status.get("observedGeneration", 0) >= (found or {})["metadata"]["generation"]
            return found if counts == {wanted} and observed else None

        return await self.until(finished, f"{name} to be rolled out")

    async def until(self, condition: Callable[[], Any], what: str) -> Any:
        """The first true result of an async condition."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DEADLINE_S
        while not (found := await condition()):
            assert loop.time() < deadline, f"waited in vain for {what}"
            await asyncio.sleep(0.02)
        return found

    async def images(self) -> dict[str, int]:
        """Of ReplicaSets that have or want pods."""
        sets = await self.all(REPLICA_SET)
        return {
            item["spec"]["template"]["spec"]["containers"][0]["image"]: item["spec"]["replicas"]
            for item in sets
            if item["spec"]["replicas"]
        }

    async def messages(self, reason: str) -> list[str]:
        return [event["message"] for event in await self.all(EVENT) if event["reason"] == reason]

    async def pods(self) -> list[Json]:
        return await self.all(POD)


@contextlib.asynccontextmanager
async def running(kubeconfig: Path) -> AsyncIterator[Client]:
    """The controllers and the pretended node as tasks, and a client for the test itself."""
    config = load_kubeconfig(kubeconfig)
    async with Client(config, user_agent="controllers") as client, Client(config, user_agent="test") as mine:
        data = kubeconfig.parent
        controllers = run_controllers(
            client, volumes=LocalVolumes(data / "volumes"), node="fake-node", authority=Authority(data / "pki")
        )
        tasks = [asyncio.create_task(controllers), asyncio.create_task(FakeKubelet(client).run())]
        try:
            yield mine
        finally:
            for task in tasks:
                assert not task.done(), task
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="package")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServerProcess]:
    server = ApiServerProcess(tmp_path_factory.mktemp("apiserver"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def bed(api_server: ApiServerProcess, request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:60].strip("-")
    async with running(api_server.kubeconfig) as client:
        made = Bed(client, name)
        await made.create(NAMESPACE, {"metadata": {"name": name}})
        await made.until(lambda: made.get(SERVICE_ACCOUNT, "default"), "the namespace's service account")
        yield made
