"""The mesh's control plane under its own service account, against the real embedded API server."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import aiohttp
import pytest
import yaml

from crossfade.controller.mesh.role import run_mesh_role
from crossfade.controller.mesh.settings import MeshSettings
from crossfade.install.mesh import MeshInstallSettings, mesh_manifests
from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import Resource
from crossfade_kube.resources import (
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    MUTATING_WEBHOOK_CONFIGURATION,
    NAMESPACE,
    SERVICE,
    SERVICE_ACCOUNT,
    VALIDATING_WEBHOOK_CONFIGURATION,
)
from tests.support.ports import free_ports

Json = dict[str, Any]
T = TypeVar("T")

_RBAC = "rbac.authorization.k8s.io"
_RESOURCES = {
    resource.kind: resource
    for resource in (
        CUSTOM_RESOURCE_DEFINITION,
        DEPLOYMENT,
        MUTATING_WEBHOOK_CONFIGURATION,
        NAMESPACE,
        SERVICE,
        SERVICE_ACCOUNT,
        VALIDATING_WEBHOOK_CONFIGURATION,
        Resource(_RBAC, "v1", "roles", "Role", namespaced=True),
        Resource(_RBAC, "v1", "rolebindings", "RoleBinding", namespaced=True),
        Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
        Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    )
}


class Lab(NamedTuple):
    """`admin` may do everything; `settings` are the controller's, with its own rights only."""

    admin: Client
    settings: MeshSettings

    async def until(self, found: Callable[[], Awaitable[T | None]], *, within_s: float = 60) -> T:
        async with asyncio.timeout(within_s):
            while (result := await found()) is None:  # noqa: ASYNC110 - other processes set no event
                await asyncio.sleep(0.01)
            return result

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The controller, ready."""
        task = asyncio.create_task(run_mesh_role(self.settings))
        try:
            async with aiohttp.ClientSession() as http:
                await self.until(lambda: self._ready(http))
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _ready(self, http: aiohttp.ClientSession) -> bool | None:
        try:
            async with http.get(f"http://127.0.0.1:{self.settings.health_port}/readyz") as answer:
                return True if answer.status == 200 else None
        except aiohttp.ClientConnectionError:
            return None

    async def token(self, account: str, namespace: str, pod: Json | None = None, audience: str = "") -> str:
        spec: Json = {"audiences": [audience] if audience else []}
        if pod is not None:
            metadata = pod["metadata"]
            spec["boundObjectRef"] = {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": metadata["name"],
                "uid": metadata["uid"],
            }
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answer = await self.admin.request("POST", path, body=request)
        token: str = answer["status"]["token"]
        return token


@pytest.fixture(scope="package")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with api_server(tmp_path_factory.mktemp("apiserver")) as found:
        yield found


@contextlib.contextmanager
def api_server(data_dir: Path) -> Iterator[Path]:
    """Its administrator's kubeconfig."""
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    command = [sys.executable, "-m", "crossfade_local.apiserver", "--data-dir", str(data_dir), "--listen", listen]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield data_dir / "kubeconfig"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
async def lab(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Lab]:
    async with Client(load_kubeconfig(kubeconfig), user_agent="test") as admin:
        await install(admin, MeshInstallSettings())
        lab = Lab(admin, MeshSettings())
        account = await lab.token("appmesh-controller", "appmesh-system")
        restricted = with_token(kubeconfig, account, tmp_path / "kubeconfig")
        webhook_port, ads_port, health_port, metrics_port = free_ports(4)
        settings = MeshSettings(
            kubeconfig=restricted,
            host="127.0.0.1",
            webhook_port=webhook_port,
            ads_port=ads_port,
            health_port=health_port,
            metrics_port=metrics_port,
        )
        yield Lab(admin, settings)


async def install(admin: Client, settings: MeshInstallSettings) -> None:
    for manifest in mesh_manifests(settings):
        # Nobody answers for the Service here: the registration stays, but asks for nothing.
        for webhook in manifest.get("webhooks", []):
            webhook["rules"] = []
        with contextlib.suppress(AlreadyExists):
            await admin.create(_RESOURCES[manifest["kind"]], manifest)


def with_token(kubeconfig: Path, token: str, target: Path) -> Path:
    document = yaml.safe_load(kubeconfig.read_text())
    for user in document["users"]:
        user["user"] = {"token": token}
    target.write_text(yaml.safe_dump(document))
    return target
