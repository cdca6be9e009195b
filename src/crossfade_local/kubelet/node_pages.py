"""What the node itself answers to `nodes/NAME/proxy/PATH`: the pages that a kubelet has at its own port."""

import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from crossfade_kube.meta import JsonObject
from crossfade_local import network
from crossfade_local.kubelet import node_metrics
from crossfade_local.kubelet.agent import NODE_NAME, Agent
from crossfade_local.kubelet.container import Container
from crossfade_local.kubelet.exposition import CONTENT_TYPE, Family, exposition
from crossfade_local.kubelet.logs import MAX_FILE_BYTES
from crossfade_local.kubelet.measured import Measured, measured, read_traffic
from crossfade_local.kubelet.pod import PodWorker
from crossfade_local.kubelet.status import Running
from crossfade_local.kubelet.summary import summary
from crossfade_local.kubelet.usage import Meter

_Answer = Callable[[], Awaitable[web.Response]]
_NO_LOGS: Final[JsonObject] = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "logs of the node are not served here: logs/node.log below the data directory has them",
    "reason": "MethodNotAllowed",
    "code": 405,
}


class NodePages:
    def __init__(self, agent: Agent, meter: Meter) -> None:
        self._agent = agent
        self._meter = meter

    def add_to(self, router: web.UrlDispatcher, *, below: str) -> None:
        pages: dict[str, _Answer] = {
            "/configz": self._configuration,
            "/healthz": _healthy,
            "/metrics": self._own_metrics,
            "/metrics/cadvisor": self._cadvisor,
            "/metrics/probes": self._probes,
            "/metrics/resource": self._resources,
            "/pods": self._pods,
            "/runningpods/": self._running_pods,
            "/stats/summary": self._summary,
        }
        for path, answer in pages.items():
            router.add_get(f"{below}{path}", _without_request(answer))
        router.add_get(f"{below}/logs{{rest:(/.*)?}}", _refuse_logs)

    def _workers(self) -> list[PodWorker]:
        return [worker for _, worker in sorted(self._agent.workers.items())]

    async def _measured(self) -> Measured:
        base, latest = await self._meter.samples()
        return measured(self._workers(), base, latest, read_traffic())

    async def _own_metrics(self) -> web.Response:
        return _metrics(node_metrics.own_page(self._workers(), node=NODE_NAME))

    async def _resources(self) -> web.Response:
        return _metrics(node_metrics.resource_page(await self._measured()))

    async def _cadvisor(self) -> web.Response:
        return _metrics(node_metrics.cadvisor_page(await self._measured(), memory_bytes=_memory_bytes()))

    async def _probes(self) -> web.Response:
        return _metrics(node_metrics.probes_page(self._workers()))

    async def _summary(self) -> web.Response:
        return web.json_response(summary(await self._measured(), node=NODE_NAME, memory_bytes=_memory_bytes()))

    async def _pods(self) -> web.Response:
        """Those that the node has, as it knows them."""
        return _pod_list([worker.pod for worker in self._workers()])

    async def _running_pods(self) -> web.Response:
        """Those of which something runs, and that only."""
        found = ((worker, _running(worker)) for worker in self._workers())
        return _pod_list([_running_pod(worker, containers) for worker, containers in found if containers])

    async def _configuration(self) -> web.Response:
        """What there is to say of this node in the words of a kubelet's configuration."""
        told = {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "address": network.NODE_ADDRESS,
            "clusterDNS": [network.DNS_ADDRESS],
            "clusterDomain": "cluster.local",
            "containerLogMaxFiles": 2,
            "containerLogMaxSize": f"{MAX_FILE_BYTES >> 20}Mi",
            "cgroupsPerQOS": False,
            "enableDebuggingHandlers": True,
            "enableServer": True,
            "enableSystemLogHandler": False,
            "failSwapOn": False,
            "maxPods": int(self._agent.capacity()["pods"]),
            "nodeLeaseDurationSeconds": 40,
            "registerNode": True,
        }
        return web.json_response({"kubeletconfig": told})


def _without_request(answer: _Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        return await answer()

    return handle


async def _healthy() -> web.Response:
    return web.Response(text="ok")


async def _refuse_logs(_: web.Request) -> web.Response:
    return web.json_response(_NO_LOGS, status=405)


def _metrics(families: Iterable[Family]) -> web.Response:
    return web.Response(body=exposition(families).encode(), headers={"Content-Type": CONTENT_TYPE})


def _pod_list(items: list[JsonObject]) -> web.Response:
    return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})


def _running(worker: PodWorker) -> list[Container]:
    containers = worker.containers.all() if worker.containers else ()
    return [one for one in containers if isinstance(one.state, Running)]


def _running_pod(worker: PodWorker, containers: list[Container]) -> JsonObject:
    shown = [{"name": one.name, "image": one.spec["image"], "resources": {}} for one in containers]
    return {
        "metadata": {"name": worker.key.name, "namespace": worker.key.namespace, "uid": worker.uid},
        "spec": {"containers": shown},
        "status": {},
    }


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
