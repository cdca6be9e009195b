"""The DaemonSet controller: a pod on every node that fits."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, LabelSelector, NamespacedName
from crossfade_kube.resources import CONTROLLER_REVISION, DAEMON_SET, NODE, POD
from crossfade_local.controllers.daemon_sets import plan, status
from crossfade_local.controllers.history import History
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import (
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    parsed_time,
    ref_of,
    selector_of,
)
from crossfade_local.controllers.owned_pods import OwnedPods
from crossfade_local.controllers.ownership import adopt_or_release, follow
from crossfade_local.controllers.reconciler import Reconciler

# An ended pod is replaced at once if it has lived this long; otherwise it stays for this long.
_LEAST_LIFE_S: Final = 5.0


class DaemonSets:
    """The DaemonSet controller."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        events: EventRecorder,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("daemonset", self._reconcile)
        self._client = client
        self._events = events
        self._now = now
        self._sets = informers.of(DAEMON_SET)
        self._pods = informers.of(POD)
        self._own = OwnedPods(client, self._pods, events)
        self._nodes = informers.of(NODE)
        self._history = History(client, informers, hash_label=plan.HASH_LABEL)
        follow(self.reconciler.queue, DAEMON_SET, self._sets, self._pods, informers.of(CONTROLLER_REVISION))
        self._nodes.on_change(self._on_node)

    def _on_node(self, before: JsonObject | None, after: JsonObject | None) -> None:
        """Heartbeats change nothing."""
        if before is not None and after is not None and _placing(before) == _placing(after):
            return
        for daemon_set in self._sets:
            self.reconciler.queue.add(key_of(daemon_set))

    async def _reconcile(self, key: NamespacedName) -> float | None:
        daemon_set = self._sets.get(key)
        selector = selector_of(daemon_set["spec"].get("selector")) if daemon_set is not None else None
        if daemon_set is None or selector is None or is_being_deleted(daemon_set):
            return None
        known = await self._history.of(daemon_set, selector)
        present, collisions = await self._history.present(daemon_set, known)
        code = present["metadata"]["labels"][plan.HASH_LABEL]
        places = [plan.place(daemon_set, node) for node in self._nodes]
        pods = await self._own_pods(daemon_set, selector)
        steps = plan.next_steps(daemon_set, places, plan.by_node(pods), update_hash=code, now=self._now())
        try:
            patience_s = await self._act(daemon_set, steps, code)
        finally:
            pods = await self._own_pods(daemon_set, selector)
            await self._report(daemon_set, places, pods, code, collisions)
        live = {code, *map(plan.hash_of, pods)}
        names = {name_of(item) for item in known if item["metadata"]["labels"].get(plan.HASH_LABEL) in live}
        await self._history.prune(daemon_set, known, {*names, name_of(present)})
        waits = (patience_s, status.next_look_s(daemon_set, pods, self._now()))
        return min((wait for wait in waits if wait is not None), default=None)

    async def _own_pods(self, daemon_set: JsonObject, selector: LabelSelector) -> list[JsonObject]:
        candidates = self._pods.in_namespace(namespace_of(daemon_set))
        return await adopt_or_release(self._client, self._pods, daemon_set, selector, candidates)

    async def _act(self, daemon_set: JsonObject, steps: plan.Plan, code: str) -> float | None:
        """Returns when an ended pod may be replaced."""
        for node in steps.create:
            await self._own.create(daemon_set, plan.new_pod(daemon_set, node, code))
        for pod in steps.delete:
            await self._own.delete(daemon_set, pod)
        waits = [await self._replace(daemon_set, pod) for pod in steps.ended]
        return min((wait for wait in waits if wait is not None), default=None)

    async def _replace(self, daemon_set: JsonObject, pod: JsonObject) -> float | None:
        created = parsed_time(pod["metadata"].get("creationTimestamp"))
        age_s = (self._now() - created).total_seconds() if created else _LEAST_LIFE_S
        if age_s < _LEAST_LIFE_S:
            return _LEAST_LIFE_S - age_s
        place = f"{namespace_of(pod)}/{name_of(pod)} on node {plan.node_of(pod)}"
        if (pod.get("status") or {}).get("phase") == "Failed":
            text = f"Found failed daemon pod {place}, will try to kill it"
            self._events.warning(ref_of(daemon_set), "FailedDaemonPod", text)
        else:
            text = f"Found succeeded daemon pod {place}, will try to delete it"
            self._events.normal(ref_of(daemon_set), "SucceededDaemonPod", text)
        await self._own.delete(daemon_set, pod)
        return None

    async def _report(
        self,
        daemon_set: JsonObject,
        places: Iterable[plan.Place],
        pods: list[JsonObject],
        code: str,
        collisions: int,
    ) -> None:
        wanted = status.counted(
            daemon_set, places, plan.by_node(pods), update_hash=code, collisions=collisions, now=self._now()
        )
        if wanted != _comparable(daemon_set.get("status") or {}):
            stored = await self._client.replace(DAEMON_SET, {**daemon_set, "status": wanted}, subresource="status")
            self._sets.observe(stored)


def _placing(node: JsonObject) -> tuple[object, object]:
    """What of a node decides where daemons run."""
    return node["metadata"].get("labels"), (node.get("spec") or {}).get("taints")


def _comparable(known: JsonObject) -> JsonObject:
    always = {"currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"}
    return {key: value for key, value in known.items() if value or key in always or key == "observedGeneration"}
