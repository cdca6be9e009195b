"""What nodes' taints do: a cordoned node gets one, and pods that do not tolerate NoExecute go, at once or in time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from crossfade_kube.client import STRATEGIC, Client
from crossfade_kube.errors import Conflict, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import NODE, POD
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import is_being_deleted, key_of, name_of, parsed_time, ref_of, stamp, uid_of
from crossfade_local.controllers.reconciler import Reconciler
from crossfade_local.scheduling.taints import NO_EXECUTE, NO_SCHEDULE, UNSCHEDULABLE, stays_s

TAINT_EVENTS: Final = "taint-eviction-controller"


def cordoned_taints(node: JsonObject, now: str) -> list[JsonObject] | None:
    """The taints that a node should have for being cordoned or not; None where it has them."""
    spec = node.get("spec") or {}
    taints: list[JsonObject] = spec.get("taints") or []
    others = [one for one in taints if (one.get("key"), one.get("effect")) != (UNSCHEDULABLE, NO_SCHEDULE)]
    if bool(spec.get("unschedulable")) == (len(others) < len(taints)):
        return None
    if not spec.get("unschedulable"):
        return others
    return [*others, {"key": UNSCHEDULABLE, "effect": NO_SCHEDULE, "timeAdded": now}]


class CordonedNodes:
    """`kubectl cordon` sets a field; others look at taints."""

    def __init__(
        self, client: Client, informers: Informers, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("cordoned-nodes", self._reconcile, workers=1)
        self._client = client
        self._now = now
        self._nodes = informers.of(NODE)
        self._nodes.on_change(lambda _, after: self.reconciler.queue.add(key_of(after)) if after else None)

    async def _reconcile(self, key: NamespacedName) -> None:
        node = self._nodes.get(key)
        taints = cordoned_taints(node, stamp(self._now())) if node is not None else None
        if node is None or taints is None:
            return
        metadata = {"resourceVersion": node["metadata"]["resourceVersion"]}
        patch = {"metadata": metadata, "spec": {"taints": taints or None}}
        self._nodes.observe(await self._client.patch(NODE, key.name, patch))


class TaintEvictions:
    """Deletes pods from nodes with NoExecute taints that they do not, or no longer, tolerate."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        events: EventRecorder,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("taint-evictions", self._reconcile)
        self._client = client
        self._events = events
        self._now = now
        self._since: dict[str, datetime] = {}
        """When a pod's time began to run, by uid."""
        self._pods = informers.of(POD)
        self._nodes = informers.of(NODE)
        self._nodes.on_change(self._on_node)
        self._pods.on_change(self._on_pod)

    def _on_node(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        if changed is None or _executing(before) == _executing(after):
            return
        for pod in self._pods:
            if pod["spec"].get("nodeName") == name_of(changed):
                self.reconciler.queue.add(key_of(pod))

    def _on_pod(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if after is None:
            if before is not None:
                self._since.pop(uid_of(before), None)
        elif before is None or before.get("spec") != after.get("spec"):
            self.reconciler.queue.add(key_of(after))

    async def _reconcile(self, key: NamespacedName) -> float | None:
        pod = self._pods.get(key)
        node = self._nodes.get(NamespacedName("", pod["spec"].get("nodeName") or "")) if pod else None
        if pod is None or node is None or is_being_deleted(pod):
            return None
        taints = _executing(node)
        left_s = stays_s(pod["spec"], taints) if taints else None
        if left_s is None:
            self._since.pop(uid_of(pod), None)
            return None
        since = self._since.setdefault(uid_of(pod), _first(taints) or self._now())
        wait_s = (since + timedelta(seconds=left_s) - self._now()).total_seconds()
        if wait_s > 0:
            return wait_s
        await self._evict(pod)
        return None

    async def _evict(self, pod: JsonObject) -> None:
        key = key_of(pod)
        self._events.normal(ref_of(pod), "TaintManagerEviction", f"Marking for deletion Pod {key}")
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": stamp(self._now()),
        }
        patch = {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [condition]}}
        try:
            await self._client.patch(
                POD, key.name, patch, namespace=key.namespace, content_type=STRATEGIC, subresource="status"
            )
            await self._client.delete(POD, key.name, namespace=key.namespace, uid=uid_of(pod))
        except (Conflict, NotFound):
            # It is gone, or another one by now.
            return


def _executing(node: JsonObject | None) -> list[Any]:
    return [one for one in ((node or {}).get("spec") or {}).get("taints") or () if one.get("effect") == NO_EXECUTE]


def _first(taints: list[JsonObject]) -> datetime | None:
    """When the first of them was added, as far as they say."""
    times = [parsed_time(one.get("timeAdded")) for one in taints]
    return min((time for time in times if time is not None), default=None)
