"""Runs Jobs: pods until enough have succeeded, or too many have failed; then removes what is to be removed."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import JOB, POD
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.jobs.plan import JobStep, NewPod, next_step
from crossfade_local.controllers.jobs.pods import Gone, new_pod
from crossfade_local.controllers.objects import (
    condition_of,
    controller_of,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    parsed_time,
    ref_of,
    stamp,
    typed_owner,
    uid_of,
    with_condition,
)
from crossfade_local.controllers.reconciler import Reconciler

_OURS: Final = "kubernetes.io/job-controller"


class Jobs:
    """The Job controller, with the removal of finished Jobs (ttlSecondsAfterFinished)."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        events: EventRecorder,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("job", self._reconcile)
        self._client = client
        self._events = events
        self._now = now
        self._gone = Gone()
        self._jobs = informers.of(JOB)
        self._pods = informers.of(POD)
        self._jobs.on_change(self._on_job)
        self._pods.on_change(self._on_pod)

    def _on_job(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None:
            self.reconciler.queue.add(key_of(after))
        elif before is not None:
            self._gone.forget(uid_of(before))

    def _on_pod(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        owner = typed_owner(changed, JOB) if changed is not None else None
        if owner is not None:
            self.reconciler.queue.add(owner)

    async def _reconcile(self, key: NamespacedName) -> float | None:
        job = self._jobs.get(key)
        if job is None or is_being_deleted(job) or job["spec"].get("managedBy", _OURS) != _OURS:
            self.reconciler.queue.forget(key)
            return None
        status = job.get("status") or {}
        if any((condition_of(status, kind) or {}).get("status") == "True" for kind in ("Complete", "Failed")):
            return await self._clean_up(job)
        job = self._noting_suspension(job)
        pods = [pod for pod in self._pods.in_namespace(key.namespace) if _is_owned(pod, job)]
        step = next_step(job, pods, self._now(), gone=self._gone.counts(job, pods))
        for pod in step.delete:
            await self._delete(pod)
        wanted = self._finished(job, step) if step.finish is not None else step.status
        if wanted != status:
            stored = await self._client.replace(JOB, {**job, "status": wanted}, subresource="status")
            self._jobs.observe(stored)
        for one in step.create:
            await self._create(job, one)
        return step.again_s

    def _noting_suspension(self, job: JsonObject) -> JsonObject:
        """With the condition that says whether it is suspended; one that begins again starts its time anew."""
        status, is_suspended = job.get("status") or {}, bool(job["spec"].get("suspend"))
        known = (condition_of(status, "Suspended") or {}).get("status") == "True"
        if known == is_suspended:
            return job
        now, (reason, message) = stamp(self._now()), _SUSPENSION[is_suspended]
        condition = {
            "type": "Suspended",
            "status": "True" if is_suspended else "False",
            "lastProbeTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        }
        self._events.normal(ref_of(job), "Suspended" if is_suspended else "Resumed", message)
        changed = {key: value for key, value in status.items() if key != "startTime"}
        changed["conditions"] = with_condition(list(status.get("conditions") or ()), condition)
        return {**job, "status": changed}

    def _finished(self, job: JsonObject, step: JobStep) -> JsonObject:
        if step.finish is None:
            return step.status
        kind, reason, message = step.finish
        now = stamp(self._now())
        first = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
        conditions = [
            {
                "type": name,
                "status": "True",
                "lastProbeTime": now,
                "lastTransitionTime": now,
                "reason": reason,
                "message": message,
            }
            for name in (first, kind)
        ]
        status = {key: value for key, value in step.status.items() if key != "active"}
        status |= {"ready": 0, "conditions": [*(step.status.get("conditions") or ()), *conditions]}
        if kind == "Complete":
            self._events.normal(ref_of(job), "Completed", "Job completed")
            return {**status, "completionTime": now}
        self._events.warning(ref_of(job), reason, message)
        return status

    async def _create(self, job: JsonObject, one: NewPod) -> None:
        try:
            created = await self._client.create(POD, new_pod(job, one.completion_index, one.failures))
        except ApiError as exc:
            if exc.has_cause("NamespaceTerminating"):
                return
            self._events.warning(ref_of(job), "FailedCreate", f"Error creating: {exc.message}")
            raise
        self._pods.observe(created)
        self._events.normal(ref_of(job), "SuccessfulCreate", f"Created pod: {name_of(created)}")

    async def _delete(self, pod: JsonObject) -> None:
        try:
            await self._client.delete(POD, name_of(pod), namespace=namespace_of(pod), uid=uid_of(pod))
        except NotFound:
            return

    async def _clean_up(self, job: JsonObject) -> float | None:
        """Returns the seconds until the finished Job is to be removed."""
        ttl_s = job["spec"].get("ttlSecondsAfterFinished")
        ends = [parsed_time(item.get("lastTransitionTime")) for item in job["status"]["conditions"]]
        ended = max((time for time in ends if time is not None), default=None)
        if ttl_s is None or ended is None:
            return None
        left_s = float(ttl_s) - (self._now() - ended).total_seconds()
        if left_s > 0:
            return left_s
        with contextlib.suppress(NotFound):
            await self._client.delete(
                JOB, name_of(job), namespace=namespace_of(job), uid=uid_of(job), propagation_policy="Background"
            )
        return None


_SUSPENSION: Final = {True: ("JobSuspended", "Job suspended"), False: ("JobResumed", "Job resumed")}


def _is_owned(pod: JsonObject, job: JsonObject) -> bool:
    owner = controller_of(pod)
    return owner is not None and owner["uid"] == uid_of(job)
