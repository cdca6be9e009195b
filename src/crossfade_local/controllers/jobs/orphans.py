"""Lets pods go that were held for a Job and that none counts any more: theirs is gone or finished, or there is none."""

from typing import Final

from crossfade_kube.client import JSON_PATCH, Client
from crossfade_kube.errors import Invalid, NotFound
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import JOB, POD
from crossfade_local.controllers.informers import Informer, Informers
from crossfade_local.controllers.jobs.pods import FINALIZER, is_held
from crossfade_local.controllers.objects import (
    condition_of,
    controller_of,
    key_of,
    name_of,
    namespace_of,
    typed_owner,
    uid_of,
)
from crossfade_local.controllers.reconciler import Reconciler

_OURS: Final = "kubernetes.io/job-controller"


class OrphanedJobPods:
    """The part of the Job controller that looks after pods without a Job."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("orphaned job pod", self._reconcile)
        self._client = client
        self._jobs = informers.of(JOB)
        self._pods = informers.of(POD)
        self._pods.on_change(self._on_pod)
        self._jobs.on_change(self._on_job)

    def _on_pod(self, _: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None and is_held(after):
            self.reconciler.queue.add(key_of(after))

    def _on_job(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if before is None or (after is not None and not is_finished(after)):
            return
        for pod in self._pods.in_namespace(namespace_of(before)):
            if is_held(pod) and typed_owner(pod, JOB) == key_of(before):
                self.reconciler.queue.add(key_of(pod))

    async def _reconcile(self, key: NamespacedName) -> float | None:
        pod = self._pods.get(key)
        if pod is not None and is_held(pod) and self._is_orphan(pod):
            await let_go(self._client, self._pods, pod)
        return None

    def _is_orphan(self, pod: JsonObject) -> bool:
        reference, owner = controller_of(pod), typed_owner(pod, JOB)
        job = self._jobs.get(owner) if owner is not None else None
        if job is None or reference is None or uid_of(job) != reference["uid"]:
            return True
        return is_ours(job) and is_finished(job)


def is_ours(job: JsonObject) -> bool:
    """Not left to another controller."""
    return bool(job["spec"].get("managedBy", _OURS) == _OURS)


def is_finished(job: JsonObject) -> bool:
    status = job.get("status") or {}
    return any((condition_of(status, kind) or {}).get("status") == "True" for kind in ("Complete", "Failed"))


async def let_go(client: Client, pods: Informer, pod: JsonObject) -> None:
    """One that is gone already, or that somebody else let go, is fine."""
    held = pods.get(key_of(pod))
    if held is None or uid_of(held) != uid_of(pod) or not is_held(held):
        return
    place = held["metadata"]["finalizers"].index(FINALIZER)
    path = f"/metadata/finalizers/{place}"
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": uid_of(pod)},
        {"op": "test", "path": path, "value": FINALIZER},
        {"op": "remove", "path": path},
    ]
    try:
        stored = await client.patch(POD, name_of(pod), patch, namespace=namespace_of(pod), content_type=JSON_PATCH)
    except (NotFound, Invalid):
        return
    pods.observe(stored)
