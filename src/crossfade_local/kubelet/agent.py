"""The node's agent: turns the pods of the API that are bound to this node into workers, and registers the node.

It is a sink of the pods' reflector.
"""

import asyncio
import contextlib
import logging
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from crossfade_kube.client import STRATEGIC
from crossfade_kube.errors import AlreadyExists, KubeError, NotFound
from crossfade_kube.meta import JsonObject, NamespacedName, ObjectRef
from crossfade_kube.resources import LEASE, NODE
from crossfade_kube.watch import WatchEvent
from crossfade_local import network
from crossfade_local.kubelet import leftovers
from crossfade_local.kubelet.machine import Machine
from crossfade_local.kubelet.pod import PodWorker
from crossfade_local.kubelet.resize import IN_PROGRESS, Room
from crossfade_local.kubelet.runtime_handlers import HANDLERS
from crossfade_local.kubelet.status import now_text
from crossfade_local.pod_resources import amounts, sum_of
from crossfade_local.version import KUBERNETES_VERSION

log = logging.getLogger(__name__)

NODE_NAME: Final = "crossfade"
_HEARTBEAT_S: Final = 10.0
_RETRY_S: Final = 1.0
_RESIZE_RETRY_S: Final = 5.0


class Agent:
    """Owns the workers; `run` must be active for the sink's calls to take effect.

    What goes wrong with one pod is told on that pod and ends nothing else.
    """

    def __init__(self, machine: Machine, *, tasks: asyncio.TaskGroup) -> None:
        self.workers: dict[NamespacedName, PodWorker] = {}
        self._machine = machine
        self._tasks = tasks
        self._waiting: dict[NamespacedName, JsonObject] = {}
        self._has_tidied = False
        self._resizing: asyncio.TimerHandle | None = None

    def replace(self, items: list[JsonObject]) -> None:
        present = {item["metadata"]["uid"] for item in items}
        self._tidy(present)
        for worker in list(self.workers.values()):
            if worker.uid not in present:
                worker.vanished()
        for key, pod in list(self._waiting.items()):
            if pod["metadata"]["uid"] not in present:
                del self._waiting[key]
        for item in items:
            self.apply(WatchEvent("ADDED", item))

    def _tidy(self, present: set[str]) -> None:
        """Once, before any pod of this node's own begins."""
        if not self._has_tidied:
            self._has_tidied = True
            folders = leftovers.folders_of_others(self._machine.directory, present)
            self._tasks.create_task(asyncio.to_thread(leftovers.remove, folders), name="leftovers")

    def apply(self, event: WatchEvent) -> None:
        try:
            self._take(event)
        except Exception as error:
            log.exception("pod.not_taken", extra={"fields": {"pod": event.object["metadata"]["name"]}})
            self._machine.recorder.warning(_ref(event.object), "FailedSync", f"error syncing pod: {error!r}")

    def _take(self, event: WatchEvent) -> None:
        pod = event.object
        uid, key = pod["metadata"]["uid"], _key(pod)
        worker = self.workers.get(key)
        if event.type == "DELETED":
            if key in self._waiting and self._waiting[key]["metadata"]["uid"] == uid:
                del self._waiting[key]
            if worker and worker.uid == uid:
                worker.vanished()
        elif pod["spec"].get("nodeName") == NODE_NAME:
            if worker is None:
                self._begin(pod)
            elif worker.uid == uid:
                worker.update(pod)
                self._resize(worker)
            else:
                # A new pod of the same name (a StatefulSet's): it begins when nothing of the old one is left.
                worker.vanished()
                self._waiting[key] = pod

    def _resize(self, worker: PodWorker) -> None:
        """If there is room for what it asks for by now; what it leaves may be room for others."""
        if self.workers.get(worker.key) is not worker or not (worker.wants_resize or worker.resize_problem):
            return
        others = (one.requests for one in self.workers.values() if one is not worker)
        worker.resize(Room(amounts(self.capacity()), sum_of(others)))
        if worker.resize_problem is None:
            self._retry_resizes()
        elif worker.resize_problem["type"] == IN_PROGRESS:
            self._retry_resizes_later()

    def _retry_resizes_later(self) -> None:
        if self._resizing is None:
            self._resizing = asyncio.get_running_loop().call_later(_RESIZE_RETRY_S, self._retry_resizes)

    def _retry_resizes(self) -> None:
        """Those that wait for room, and those that the kernel did not let happen."""
        if self._resizing is not None:
            self._resizing.cancel()
            self._resizing = None
        for worker in [one for one in self.workers.values() if one.resize_problem]:
            try:
                self._resize(worker)
            except Exception:
                log.exception("pod.not_resized", extra={"fields": {"pod": str(worker.key)}})

    def data_changed(self, kind: str, key: NamespacedName) -> None:
        """A config map or secret changed: pods that show it rewrite their files."""
        for worker in self.workers.values():
            if worker.key.namespace == key.namespace and _mentions(worker.pod["spec"], kind, key.name):
                worker.data_changed.set()

    def _begin(self, pod: JsonObject) -> None:
        worker = PodWorker(pod, self._machine)
        self.workers[worker.key] = worker
        self._tasks.create_task(self._run(worker), name=f"pod {worker.key}")

    async def _run(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception as error:
            log.exception("pod.failed", extra={"fields": {"pod": str(worker.key)}})
            self._machine.recorder.warning(_ref(worker.pod), "FailedSync", f"error running pod: {error!r}")
        finally:
            del self.workers[worker.key]
            self._retry_resizes()
        if (following := self._waiting.pop(worker.key, None)) is not None:
            self.apply(WatchEvent("ADDED", following))

    def capacity(self) -> dict[str, str]:
        """Of the node; what was not asked for is the machine's."""
        return {**machine_capacity(self._machine.directory), **self._machine.capacity}

    async def keep_node(self) -> None:
        """Registers the node and renews its lease until cancelled."""
        while True:
            try:
                await self._register()
                while True:
                    await self._renew_lease()
                    await asyncio.sleep(_HEARTBEAT_S)
            except KubeError as error:
                log.warning("node.not_registered", extra={"fields": {"reason": error}})
                await asyncio.sleep(_RETRY_S)

    async def _register(self) -> None:
        client, node = self._machine.client, node_object(self.capacity())
        with contextlib.suppress(AlreadyExists):
            await client.create(NODE, {key: node[key] for key in ("apiVersion", "kind", "metadata", "spec")})
        await client.patch(NODE, NODE_NAME, {"status": node["status"]}, content_type=STRATEGIC, subresource="status")

    async def _renew_lease(self) -> None:
        spec = {"holderIdentity": NODE_NAME, "leaseDurationSeconds": 40, "renewTime": now_text()[:-1] + ".000000Z"}
        namespace = "kube-node-lease"
        try:
            await self._machine.client.patch(LEASE, NODE_NAME, {"spec": spec}, namespace=namespace)
        except NotFound:
            lease = {
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": NODE_NAME, "namespace": namespace}, "spec": spec,
            }  # fmt: skip
            await self._machine.client.create(LEASE, lease)


def node_labels() -> dict[str, str]:
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "kubernetes.io/hostname": NODE_NAME,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "node-role.kubernetes.io/control-plane": "",
    }


def machine_capacity(directory: Path) -> dict[str, str]:
    """What there is to share out: processors, memory, and the file system of the cluster's data."""
    memory_kib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    disk = os.statvfs(directory)
    return {
        "cpu": str(len(os.sched_getaffinity(0))),
        "ephemeral-storage": f"{disk.f_blocks * disk.f_frsize // 1024}Ki",
        "memory": f"{memory_kib}Ki",
        "pods": "1000",
    }


def node_object(capacity: Mapping[str, str]) -> JsonObject:
    """The node as the API shows it."""
    now = now_text()
    ready = {
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now, "lastTransitionTime": now,
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE_NAME, "labels": node_labels()},
        "spec": {"podCIDR": f"{network.POD_PREFIX}.0.0/16", "podCIDRs": [f"{network.POD_PREFIX}.0.0/16"]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": network.NODE_ADDRESS}, {"type": "Hostname", "address": NODE_NAME},
            ],
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": [ready],
            "nodeInfo": {
                "architecture": node_labels()["kubernetes.io/arch"],
                "bootID": "", "containerRuntimeVersion": "crossfade://1", "kernelVersion": platform.release(),
                "kubeProxyVersion": "", "kubeletVersion": KUBERNETES_VERSION, "machineID": "",
                "operatingSystem": "linux", "osImage": "Crossfade embedded node", "systemUUID": "",
            },
            "runtimeHandlers": [{"name": name} for name in HANDLERS],
        },
    }  # fmt: skip


def _mentions(spec: JsonObject, kind: str, name: str) -> bool:
    key = "secretName" if kind == "secret" else "name"
    for volume in spec.get("volumes") or ():
        if (volume.get(kind) or {}).get(key) == name:
            return True
        for part in (volume.get("projected") or {}).get("sources") or ():
            if (part.get(kind) or {}).get("name") == name:
                return True
    return False


def _key(pod: JsonObject) -> NamespacedName:
    return NamespacedName(pod["metadata"]["namespace"], pod["metadata"]["name"])


def _ref(pod: JsonObject) -> ObjectRef:
    metadata = pod["metadata"]
    return ObjectRef("v1", "Pod", metadata["namespace"], metadata["name"], metadata["uid"])
