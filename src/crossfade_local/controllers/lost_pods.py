"""Ends and deletes pods that nobody else will ever end: on a node that is gone, or deleted before they had one."""

import contextlib
from datetime import UTC, datetime
from typing import Final

from crossfade_kube.client import STRATEGIC, Client
from crossfade_kube.errors import NotFound
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import NODE, POD
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import is_being_deleted, key_of, name_of, stamp, uid_of
from crossfade_local.controllers.pods import is_finished
from crossfade_local.controllers.reconciler import Reconciler

# A node that registers again (the node agent restarts) within this time keeps its pods.
GRACE_S: Final = 40.0
# A deleted pod without a node is shown as terminating for a while; Kubernetes looks for such every 20 s.
VAIN_S: Final = 5.0
_DISRUPTED: Final = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByPodGC",
    "message": "PodGC: node no longer exists",
}


class LostPods:
    """The part of Kubernetes' pod garbage collector that a cluster of processes needs."""

    def __init__(self, client: Client, informers: Informers, *, grace_s: float = GRACE_S) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("lost-pods", self._reconcile, workers=1)
        self._client = client
        self._grace_s = grace_s
        self._pods = informers.of(POD)
        self._nodes = informers.of(NODE)
        self._nodes.on_change(self._on_node)
        self._pods.on_change(self._on_pod)

    def _on_node(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if before is not None and after is None:
            for pod in self._pods:
                if _node_of(pod) == name_of(before):
                    self.reconciler.queue.add_after(key_of(pod), self._grace_s)

    def _on_pod(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if after is None:
            return
        if _never_ran(after):
            self.reconciler.queue.add_after(key_of(after), VAIN_S)
        elif (before is None or _node_of(before) != _node_of(after)) and self._is_lost(after):
            self.reconciler.queue.add_after(key_of(after), self._grace_s)

    def _is_lost(self, pod: JsonObject) -> bool:
        node = _node_of(pod)
        return bool(node) and self._nodes.get(NamespacedName("", node)) is None

    async def _reconcile(self, key: NamespacedName) -> None:
        pod = self._pods.get(key)
        if pod is None:
            return
        if _never_ran(pod):
            await self._end(pod, [])
        elif self._is_lost(pod):
            try:
                await self._client.get(NODE, _node_of(pod))
            except NotFound:
                await self._end(pod, [{**_DISRUPTED, "lastTransitionTime": stamp(datetime.now(UTC))}])

    async def _end(self, pod: JsonObject, conditions: list[JsonObject]) -> None:
        """Whoever waits for its end has to see that first: a finalizer may hold it long after."""
        key, status = key_of(pod), {"phase": "Failed", "conditions": conditions}
        with contextlib.suppress(NotFound):
            if not is_finished(pod):
                await self._client.patch(
                    POD, key.name, {"metadata": {"uid": uid_of(pod)}, "status": status},
                    namespace=key.namespace, content_type=STRATEGIC, subresource="status",
                )  # fmt: skip
            await self._client.delete(POD, key.name, namespace=key.namespace, uid=uid_of(pod), grace_period_s=0)


def _never_ran(pod: JsonObject) -> bool:
    return is_being_deleted(pod) and not _node_of(pod) and not is_finished(pod)


def _node_of(pod: JsonObject) -> str:
    return (pod.get("spec") or {}).get("nodeName") or ""
