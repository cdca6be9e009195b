"""What `crossfade status` says of a cluster: its controllers, its gateways, and the proxies that are missed."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from crossfade.compile.mesh.sidecars import PROXY_LABEL
from crossfade.install.mesh_names import NAME as MESH_CONTROLLER
from crossfade.status.sidecars import CONDITION
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import DEPLOYMENT, POD

_NAME_LABEL: Final = "app.kubernetes.io/name"
# App Mesh's own chart labels its controller so, too.
_WORKLOADS: Final = {MESH_CONTROLLER: "mesh controller", "kong": "gateway"}
_TIMEOUT_S: Final = 10.0


class Workload(NamedTuple):
    role: str
    namespace: str
    name: str
    wanted: int
    ready: int


class Missed(NamedTuple):
    """A pod whose proxy is connected to no controller; `since` as in its condition."""

    namespace: str
    name: str
    since: str
    message: str


class Overview(NamedTuple):
    """`proxies` is how many pods of the mesh have one."""

    workloads: tuple[Workload, ...]
    proxies: int
    missed: tuple[Missed, ...]

    @property
    def is_well(self) -> bool:
        return not self.missed and all(one.ready >= one.wanted for one in self.workloads)

    def as_json(self) -> dict[str, Any]:
        return {
            "workloads": [one._asdict() for one in self.workloads],
            "proxies": self.proxies,
            "missed": [one._asdict() for one in self.missed],
        }

    def lines(self) -> Iterator[str]:
        for one in self.workloads:
            yield f"{one.role}  {one.namespace}/{one.name}, {one.ready} of {one.wanted} ready"
        yield f"proxies of the mesh  {self.proxies}, {len(self.missed) or 'none'} missed"
        for pod in self.missed:
            yield f"missed  pod {pod.namespace}/{pod.name} since {pod.since}: {pod.message}"


def read_overview(config: ClusterConfig) -> Overview:
    """Raises KubeError."""
    return asyncio.run(_read(config))


async def _read(config: ClusterConfig) -> Overview:
    selector = f"{_NAME_LABEL} in ({','.join(sorted(_WORKLOADS))})"
    async with Client(config, user_agent="crossfade-status", timeout_s=_TIMEOUT_S) as client:
        deployments = await client.list(DEPLOYMENT, label_selector=selector)
        pods = await client.list(POD, label_selector=PROXY_LABEL)
    return overview(deployments.items, pods.items)


def overview(deployments: Iterable[JsonObject], pods: Iterable[JsonObject]) -> Overview:
    living = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    missed = [found for pod in living if (found := _missed(pod)) is not None]
    return Overview(tuple(sorted(map(_workload, deployments))), len(living), tuple(sorted(missed)))


def _workload(deployment: JsonObject) -> Workload:
    metadata, status = deployment["metadata"], deployment.get("status") or {}
    role = _WORKLOADS.get((metadata.get("labels") or {}).get(_NAME_LABEL, ""), "")
    wanted = deployment["spec"].get("replicas", 1)
    return Workload(role, metadata["namespace"], metadata["name"], wanted, status.get("readyReplicas") or 0)


def _missed(pod: JsonObject) -> Missed | None:
    for one in (pod.get("status") or {}).get("conditions") or ():
        if one.get("type") == CONDITION and one.get("status") == "False":
            metadata = pod["metadata"]
            return Missed(
                metadata["namespace"], metadata["name"], one.get("lastTransitionTime") or "", one.get("message") or ""
            )
    return None
