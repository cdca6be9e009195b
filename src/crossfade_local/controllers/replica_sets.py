"""Keeps as many pods as a ReplicaSet or a ReplicationController asks for: they differ in name and selector.

Pods that match the selector and have no owner are adopted, own pods that no longer match are let go. A refused pod
(quota, an admission webhook) shows as a FailedCreate event with the server's text and a ReplicaFailure condition.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, LabelSelector, NamespacedName, Resource
from crossfade_kube.resources import POD, REPLICA_SET
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import (
    controller_of,
    controller_ref,
    is_being_deleted,
    name_of,
    namespace_of,
    pod_selector,
    stamp,
    uid_of,
    with_condition,
    without_condition,
)
from crossfade_local.controllers.owned_pods import OwnedPods
from crossfade_local.controllers.ownership import adopt_or_release, follow
from crossfade_local.controllers.pods import available_in_s, deletion_order, is_active, is_finished, is_ready
from crossfade_local.controllers.reconciler import Reconciler

MOST_AT_ONCE: Final = 500


class Failure(NamedTuple):
    """Why the wanted number of pods could not be reached; `reason` as in the ReplicaFailure condition."""

    reason: str
    error: ApiError


class ReplicaSets:
    """The controller of one kind."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        events: EventRecorder,
        *,
        kind: Resource = REPLICA_SET,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler(kind.kind.lower(), self._reconcile)
        self._client = client
        self._now = now
        self._kind = kind
        self._sets = informers.of(kind)
        self._pods = informers.of(POD)
        self._own = OwnedPods(client, self._pods, events)
        follow(self.reconciler.queue, kind, self._sets, self._pods)

    async def _reconcile(self, key: NamespacedName) -> float | None:
        replica_set = self._sets.get(key)
        if replica_set is None:
            return None
        selector = pod_selector(replica_set)
        pods = await self._own_pods(replica_set, selector) if selector is not None else []
        failure = None
        if selector is not None and not is_being_deleted(replica_set):
            failure = await self._scale(replica_set, pods)
            pods = await self._own_pods(replica_set, selector)
        later_s = await self._write_status(replica_set, pods, failure)
        if failure is not None and not failure.error.has_cause("NamespaceTerminating"):
            raise failure.error
        return later_s

    async def _own_pods(self, replica_set: JsonObject, selector: LabelSelector) -> list[JsonObject]:
        candidates = [pod for pod in self._pods.in_namespace(namespace_of(replica_set)) if is_active(pod)]
        return await adopt_or_release(self._client, self._pods, replica_set, selector, candidates)

    def _count_terminating(self, replica_set: JsonObject) -> int:
        candidates = self._pods.in_namespace(namespace_of(replica_set))
        owners = [controller_of(pod) for pod in candidates if is_being_deleted(pod) and not is_finished(pod)]
        return sum(owner is not None and owner["uid"] == uid_of(replica_set) for owner in owners)

    async def _scale(self, replica_set: JsonObject, pods: list[JsonObject]) -> Failure | None:
        missing = replica_set["spec"].get("replicas", 1) - len(pods)
        if missing > 0:
            return await self._create(replica_set, min(missing, MOST_AT_ONCE))
        if missing < 0:
            return await self._delete(replica_set, _first_to_go(pods, min(-missing, MOST_AT_ONCE)))
        return None

    async def _create(self, replica_set: JsonObject, count: int) -> Failure | None:
        """In batches of 1, 2, 4 …: when every pod is refused, one refusal is enough to know."""
        batch = 1
        while count > 0:
            results = await asyncio.gather(
                *(self._own.create(replica_set, _pod_of(replica_set)) for _ in range(min(batch, count))),
                return_exceptions=True,
            )
            count -= batch
            batch *= 2
            for result in results:
                if isinstance(result, ApiError):
                    return Failure("FailedCreate", result)
                if isinstance(result, BaseException):
                    raise result
        return None

    async def _delete(self, replica_set: JsonObject, pods: list[JsonObject]) -> Failure | None:
        results = await asyncio.gather(*(self._own.delete(replica_set, pod) for pod in pods), return_exceptions=True)
        for result in results:
            if isinstance(result, ApiError):
                return Failure("FailedDelete", result)
            if isinstance(result, BaseException):
                raise result
        return None

    async def _write_status(
        self, replica_set: JsonObject, pods: list[JsonObject], failure: Failure | None
    ) -> float | None:
        status = replica_set_status(
            replica_set, pods, failure, self._now(), terminating=self._count_terminating(replica_set)
        )
        if status != _comparable(replica_set.get("status") or {}):
            stored = await self._client.replace(self._kind, {**replica_set, "status": status}, subresource="status")
            self._sets.observe(stored)
        waits = [available_in_s(pod, replica_set["spec"].get("minReadySeconds") or 0, self._now()) for pod in pods]
        return min((wait for wait in waits if wait), default=None)


def replica_set_status(
    replica_set: JsonObject, pods: list[JsonObject], failure: Failure | None, now: datetime, *, terminating: int = 0
) -> JsonObject:
    """Counts that are zero are left out where the API's own types do so; only a ReplicaSet counts the terminating."""
    spec, old = replica_set["spec"], replica_set.get("status") or {}
    template_labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    min_ready_s = spec.get("minReadySeconds") or 0
    counts = {
        "fullyLabeledReplicas": sum(template_labels.items() <= _labels(pod).items() for pod in pods),
        "readyReplicas": sum(map(is_ready, pods)),
        "availableReplicas": sum(available_in_s(pod, min_ready_s, now) == 0 for pod in pods),
        "observedGeneration": replica_set["metadata"].get("generation", 0),
    }
    status: JsonObject = {"replicas": len(pods)}
    if replica_set["kind"] == REPLICA_SET.kind:
        status["terminatingReplicas"] = terminating
    status |= {key: value for key, value in counts.items() if value}
    conditions = list(old.get("conditions") or ())
    if failure is None:
        conditions = without_condition(conditions, "ReplicaFailure")
    else:
        condition = {
            "type": "ReplicaFailure",
            "status": "True",
            "lastTransitionTime": stamp(now),
            "reason": failure.reason,
            "message": failure.error.message,
        }
        conditions = with_condition(conditions, condition)
    return {**status, "conditions": conditions} if conditions else status


def _comparable(status: JsonObject) -> JsonObject:
    """Without counts that this controller leaves out at zero, however the server stores them."""
    return {key: value for key, value in status.items() if value or key in ("replicas", "terminatingReplicas")}


def _labels(obj: JsonObject) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _pod_of(replica_set: JsonObject) -> JsonObject:
    template = replica_set["spec"]["template"]
    metadata = template.get("metadata") or {}
    kept = {key: metadata[key] for key in ("labels", "annotations", "finalizers") if metadata.get(key)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{name_of(replica_set)}-",
            "namespace": namespace_of(replica_set),
            **kept,
            "ownerReferences": [controller_ref(replica_set)],
        },
        "spec": template["spec"],
    }


def _first_to_go(pods: list[JsonObject], count: int) -> list[JsonObject]:
    crowd = Counter((pod.get("spec") or {}).get("nodeName") for pod in pods)
    return sorted(pods, key=lambda pod: deletion_order(pod, crowd[(pod.get("spec") or {}).get("nodeName")]))[:count]
