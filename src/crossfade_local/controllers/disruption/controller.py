"""Keeps the status of PodDisruptionBudgets; the API server grants evictions by it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, LabelSelector, NamespacedName, Resource
from crossfade_kube.resources import DEPLOYMENT, POD, REPLICA_SET, REPLICATION_CONTROLLER
from crossfade_local.controllers.disruption.budget import (
    budget_status,
    evicted,
    failed_status,
    healthy,
    needs_scale,
    wanted,
)
from crossfade_local.controllers.informers import Informer, Informers
from crossfade_local.controllers.objects import (
    controller_of,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    ref_of,
    shown_selector,
    uid_of,
)
from crossfade_local.controllers.reconciler import Reconciler
from crossfade_local.scheduling.selectors import label_selector

DISRUPTION_EVENTS: Final = "controllermanager"
BUDGET: Final = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True)
_OTHERS: Final = {
    ("apps", "StatefulSet"): Resource("apps", "v1", "statefulsets", "StatefulSet", namespaced=True),
    ("", "ReplicationController"): REPLICATION_CONTROLLER,
}


class _UncountedError(Exception):
    """How many pods there should be cannot be told; the text is for the condition."""


class Budgets:
    """The disruption controller."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        events: EventRecorder,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("disruption", self._reconcile)
        self._client = client
        self._events = events
        self._now = now
        self._budgets = informers.of(BUDGET)
        self._pods = informers.of(POD)
        self._sets = informers.of(REPLICA_SET)
        self._deployments = informers.of(DEPLOYMENT)
        self._selectors: dict[NamespacedName, LabelSelector] = {}
        """Of budgets: every change of a pod asks all of them."""
        self._budgets.on_change(self._on_budget)
        self._pods.on_change(self._on_pod)
        for scaled in (self._sets, self._deployments):
            scaled.on_change(self._on_scale)

    def _on_budget(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if after is None:
            if before is not None:
                self._selectors.pop(key_of(before), None)
            return
        key = key_of(after)
        self.reconciler.queue.add(key)
        selector = label_selector((after.get("spec") or {}).get("selector"))
        if selector is None:
            self._selectors.pop(key, None)
        else:
            self._selectors[key] = selector

    def _on_pod(self, before: JsonObject | None, after: JsonObject | None) -> None:
        for pod in (before, after):
            if pod is None:
                continue
            labels = pod["metadata"].get("labels") or {}
            for budget in self._budgets.in_namespace(namespace_of(pod)):
                key = key_of(budget)
                selector = self._selectors.get(key)
                if selector is not None and selector.matches(labels):
                    self.reconciler.queue.add(key)

    def _on_scale(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if before is None or after is None or _replicas(before) == _replicas(after):
            return
        for budget in self._budgets.in_namespace(namespace_of(after)):
            if needs_scale(budget.get("spec") or {}):
                self.reconciler.queue.add(key_of(budget))

    async def _reconcile(self, key: NamespacedName) -> float | None:
        budget = self._budgets.get(key)
        if budget is None or is_being_deleted(budget):
            return None
        spec, now = budget.get("spec") or {}, self._now()
        selector = label_selector(spec.get("selector"))
        pods = [
            pod
            for pod in self._pods.in_namespace(key.namespace)
            if selector is not None and selector.matches(pod["metadata"].get("labels") or {})
        ]
        if not pods:
            self._tell_once(budget)
        marks = evicted((budget.get("status") or {}).get("disruptedPods") or {}, pods, now)
        self._complain(budget, pods, marks.forgotten)
        if needs_scale(spec):
            self._tell_of_unmanaged(budget, pods)
        try:
            scale = await self._scale(pods) if needs_scale(spec) else 0
        except _UncountedError as error:
            said = f"Failed to calculate the number of expected pods: {error}"
            self._events.warning(ref_of(budget), "CalculateExpectedPodCountFailed", said)
            status = failed_status(budget, str(error), now)
        else:
            target = wanted(spec, pods=len(pods), scale=scale)
            status = budget_status(budget, target, healthy(pods, marks.pending), marks.pending, now)
        if status != budget.get("status"):
            stored = await self._client.replace(BUDGET, {**budget, "status": status}, subresource="status")
            self._budgets.observe(stored)
        return marks.again_s

    def _tell_once(self, budget: JsonObject) -> None:
        """When it has been without pods for a while, that is no news."""
        former = budget.get("status") or {}
        if former.get("observedGeneration") != budget["metadata"].get("generation") or former.get("expectedPods"):
            self._events.normal(ref_of(budget), "NoPods", "No matching pods found")

    def _tell_of_unmanaged(self, budget: JsonObject, pods: list[JsonObject]) -> None:
        if all(controller_of(pod) is not None for pod in pods):
            return
        selector = shown_selector((budget.get("spec") or {}).get("selector"))
        said = (
            f"Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result,"
            " the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account "
            'for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
        )
        self._events.warning(ref_of(budget), "UnmanagedPods", said)

    def _complain(self, budget: JsonObject, pods: list[JsonObject], names: tuple[str, ...]) -> None:
        for pod in pods:
            if name_of(pod) in names:
                said = f"Pod was expected by PDB {key_of(budget)} to be deleted but it wasn't"
                self._events.warning(ref_of(pod), "NotDeleted", said)

    async def _scale(self, pods: list[JsonObject]) -> int:
        """What the pods' controllers ask for together. Raises _UncountedError."""
        scales: dict[str, int] = {}
        asked: set[str] = set()
        for pod in pods:
            owner = controller_of(pod)
            if owner is not None and owner["uid"] not in asked:
                asked.add(owner["uid"])
                uid, replicas = await self._scale_of(pod, owner)
                scales[uid] = replicas
        return sum(scales.values())

    async def _scale_of(self, pod: JsonObject, owner: JsonObject) -> tuple[str, int]:
        group, namespace = owner["apiVersion"].rpartition("/")[0], namespace_of(pod)
        if (group, owner["kind"]) == ("apps", "ReplicaSet"):
            found = self._known(self._sets, namespace, owner)
            above = controller_of(found) if found else None
            if above is not None and above["kind"] == "Deployment":
                found = self._known(self._deployments, namespace, above)
        elif resource := _OTHERS.get((group, owner["kind"])):
            try:
                found = await self._client.get(resource, owner["name"], namespace=namespace)
            except NotFound:
                found = None
        else:
            raise _UncountedError(f"{_plural(group, owner['kind'])} does not implement the scale subresource")
        if found is None:
            raise _UncountedError(f'found no controllers for pod "{name_of(pod)}"')
        return uid_of(found), _replicas(found)

    def _known(self, informer: Informer, namespace: str, owner: JsonObject) -> JsonObject | None:
        found = informer.get(NamespacedName(namespace, owner["name"]))
        return found if found is not None and uid_of(found) == owner["uid"] else None


def _plural(group: str, kind: str) -> str:
    """Of kinds that own pods and cannot be scaled."""
    plural = f"{kind.lower()}s"
    return f"{plural}.{group}" if group else plural


def _replicas(obj: JsonObject) -> int:
    replicas = (obj.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)
