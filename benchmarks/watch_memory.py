"""What a large cluster takes of a controller's memory: at its start, when all is read, and after.

    python -m benchmarks.watch_memory [--services 5000] [--secrets 5000] [--pods 20000] [--helm 200]

Fills an embedded API server, starts a controller in each role on it, waits until it has read all, and prints how much
memory it has and the most that it ever had. `--helm` are Secrets of 100 kB in which Helm keeps releases. Pods are read
by the mesh's controller alone, and by that only where a node has `awsCloudMap`, as one has here.
"""

import argparse
import asyncio
import base64
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.support.api_server import ApiServerProcess
from tests.support.ports import free_ports

from crossfade.install.gateway import gateway_crds
from crossfade.install.mesh import mesh_crds
from crossfade.install.mesh_names import NAMESPACE
from crossfade_kube.client import Client
from crossfade_kube.core import EndpointSlice, Namespace, Pod, Secret, Service
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import Resource
from crossfade_kube.resources import CUSTOM_RESOURCE_DEFINITION

Json = dict[str, Any]
AT_ONCE: Final = 16
READY_WITHIN_S: Final = 120.0
HELM_BYTES: Final = 100_000
_PORTS: Final = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
_APP: Final[Json] = {
    "meshRef": {"name": "m", "uid": ""},
    "awsName": "app",
    "podSelector": {"matchLabels": {"app": "a0"}},
}
_NODE: Final[Json] = {
    "apiVersion": "appmesh.k8s.aws/v1beta2",
    "kind": "VirtualNode",
    "metadata": {"name": "app", "namespace": "default"},
    "spec": {**_APP, "serviceDiscovery": {"awsCloudMap": {"namespaceName": "n", "serviceName": "s"}}},
}
_NODES: Final = Resource("appmesh.k8s.aws", "v1beta2", "virtualnodes", "VirtualNode", namespaced=True)
_MESHES: Final = Resource("appmesh.k8s.aws", "v1beta2", "meshes", "Mesh", namespaced=False)


def services(count: int) -> Iterator[tuple[Resource, Json]]:
    for number in range(count):
        name = f"svc-{number}"
        spec = {"selector": {"app": f"a{number}"}, "ports": _PORTS}
        yield Service.RESOURCE, {"metadata": _metadata(name), "spec": spec}
        endpoints = [
            {"addresses": [f"10.{number >> 8 & 255}.{number & 255}.{one}"], "conditions": {"ready": True}}
            for one in range(1, 5)
        ]
        labels = {"kubernetes.io/service-name": name}
        slices = {
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }
        yield EndpointSlice.RESOURCE, {"metadata": {**_metadata(f"{name}-x"), "labels": labels}, **slices}


def secrets(count: int, *, of_helm: int) -> Iterator[tuple[Resource, Json]]:
    for number in range(count):
        yield Secret.RESOURCE, {"metadata": _metadata(f"secret-{number}"), "data": {"key": _random(1500)}}
    for number in range(of_helm):
        name = f"sh.helm.release.v1.r{number}.v1"
        yield (
            Secret.RESOURCE,
            {"metadata": _metadata(name), "type": "helm.sh/release.v1", "data": {"release": _random(HELM_BYTES)}},
        )


def pods(count: int) -> Iterator[tuple[Resource, Json]]:
    for number in range(count):
        container = {
            "name": "app",
            "image": "registry.example/team/app:1.2.3",
            "ports": [{"containerPort": 8080, "name": "http"}],
            "env": [{"name": f"VARIABLE_{one}", "value": f"value of {one}"} for one in range(20)],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
        }
        metadata = {**_metadata(f"pod-{number}"), "labels": {"app": f"a{number % 5000}", "pod-template-hash": "5f7"}}
        yield Pod.RESOURCE, {"metadata": metadata, "spec": {"containers": [container], "serviceAccountName": "default"}}


def _metadata(name: str) -> Json:
    return {"name": name, "namespace": "default", "labels": {"app": name, "team": "any"}}


def _random(size: int) -> str:
    return base64.b64encode(os.urandom(size)).decode()


async def fill(client: Client, objects: Iterator[tuple[Resource, Json]]) -> int:
    async def work() -> int:
        done = 0
        for resource, obj in objects:
            await client.create(resource, obj)
            done += 1
        return done

    async with asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(work()) for _ in range(AT_ONCE)]
    return sum(worker.result() for worker in workers)


async def prepare(kubeconfig: Path, wanted: argparse.Namespace) -> None:
    async with Client(load_kubeconfig(kubeconfig), user_agent="benchmark") as client:
        for crd in (*gateway_crds(), *mesh_crds()):
            await client.create(CUSTOM_RESOURCE_DEFINITION, crd)
        for name in ("default", NAMESPACE):
            await client.apply(Namespace.RESOURCE, {"metadata": {"name": name}}, field_manager="benchmark")
        mesh = {"apiVersion": "appmesh.k8s.aws/v1beta2", "kind": "Mesh", "metadata": {"name": "m"}}
        await client.create(_MESHES, {**mesh, "spec": {"awsName": "m", "namespaceSelector": {}}})
        await client.create(_NODES, _NODE)
        accounts = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
        await client.apply(
            accounts, {"metadata": {"name": "default", "namespace": "default"}}, field_manager="benchmark"
        )
        for some in (services(wanted.services), secrets(wanted.secrets, of_helm=wanted.helm), pods(wanted.pods)):
            await fill(client, some)


def memory_of(role: str, kubeconfig: Path) -> tuple[float, float]:
    """Now and at most, in MiB, when it is ready."""
    health, ads, webhook = free_ports(3)
    environment = {
        "CROSSFADE_HEALTH_PORT": str(health),
        "CROSSFADE_ADS_ADDRESS": f"127.0.0.1:{ads}",
        "CROSSFADE_ADMIN_API_PORT": "off",
        "CROSSFADE_LOG_LEVEL": "ERROR",
        "POD_NAMESPACE": "default",
    }
    of_gateway = ["crossfade.cli", "controller", "--role", role, "--kubeconfig", str(kubeconfig)]
    of_mesh = ["tests.support.mesh_controller", str(kubeconfig), "benchmark", str(webhook), str(ads), str(health)]
    command = [sys.executable, "-m", *(of_mesh if role == "mesh" else of_gateway)]
    with subprocess.Popen(command, env=os.environ | environment) as controller:
        try:
            wait_until_read(health, controller)
            time.sleep(1)
            return _status_mib(controller.pid, "VmRSS"), _status_mib(controller.pid, "VmHWM")
        finally:
            controller.kill()


def wait_until_read(port: int, controller: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and controller.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except urllib.error.HTTPError as waiting:
            # Nobody installed them here.
            if waiting.read() == b"waiting for webhook configurations":
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"the controller was not ready within {READY_WITHIN_S:g} s")


def _status_mib(pid: int, field: str) -> float:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{field}:")]
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("services", 5000), ("secrets", 5000), ("pods", 20_000), ("helm", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = ApiServerProcess(Path(folder))
        server.start()
        try:
            empty = {role: memory_of(role, server.kubeconfig)[0] for role in ("gateway",)}
            asyncio.run(prepare(server.kubeconfig, wanted))
            for role in ("gateway", "mesh"):
                now, most = memory_of(role, server.kubeconfig)
                print(f"{role}: {now:.0f} MiB, at most {most:.0f} MiB")
            print(f"gateway of an empty cluster: {empty['gateway']:.0f} MiB")
        finally:
            server.kill()


if __name__ == "__main__":
    main()
