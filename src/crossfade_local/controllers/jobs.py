"""Runs Jobs: pods until enough have succeeded, or too many have failed.

Indexed completion, pod failure policies and success policies are not supported; such a Job fails at once and says so.
"""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import JOB, POD
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import (
    condition_of,
    controller_of,
    controller_ref,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    parsed_time,
    ref_of,
    stamp,
    typed_owner,
    uid_of,
)
from crossfade_local.controllers.pods import is_active, is_ready
from crossfade_local.controllers.reconciler import Reconciler

FIRST_RETRY_S: Final = 10.0
MAX_RETRY_S: Final = 360.0
_REFUSED: Final = {
    "podFailurePolicy": "pod failure policies are not supported",
    "successPolicy": "success policies are not supported",
}


class JobStep(NamedTuple):
    """What to do now; `finish` is (condition, reason, message) once the Job has ended."""

    create: int
    delete: list[JsonObject]
    status: JsonObject
    finish: tuple[str, str, str] | None
    again_s: float | None


def next_step(job: JsonObject, pods: list[JsonObject], now: datetime) -> JobStep:
    """Decides from the Job's own pods."""
    spec, known = job["spec"], job.get("status") or {}
    active = [pod for pod in pods if is_active(pod)]
    succeeded = sum(_phase(pod) == "Succeeded" for pod in pods)
    failed = [pod for pod in pods if _phase(pod) == "Failed"]
    started = known.get("startTime") or stamp(now)
    counts = {
        "active": len(active),
        "ready": sum(map(is_ready, active)),
        "succeeded": succeeded,
        "failed": len(failed),
        "terminating": sum(is_being_deleted(pod) for pod in pods),
    }
    always = ("ready", "terminating")
    status: JsonObject = {key: value for key, value in counts.items() if value or key in always}
    status |= {"startTime": started} | ({"conditions": known["conditions"]} if known.get("conditions") else {})
    if spec.get("suspend"):
        return JobStep(0, active, {key: status[key] for key in status if key != "startTime"}, None, None)
    deadline_s = spec.get("activeDeadlineSeconds")
    left_s = None
    if deadline_s is not None:
        left_s = deadline_s - (now - (parsed_time(started) or now)).total_seconds()
    finish = _ending(spec, active=len(active), succeeded=succeeded, failed=len(failed), left_s=left_s)
    if finish is not None:
        return JobStep(0, active, status, finish, None)
    missing = _wanted(spec, succeeded) - len(active)
    if missing < 0:
        return JobStep(0, active[missing:], status, None, left_s)
    wait_s = _retry_in_s(failed, now) if missing else 0.0
    if wait_s > 0:
        return JobStep(0, [], status, None, wait_s if left_s is None else min(wait_s, left_s))
    return JobStep(missing, [], status, None, left_s)


def _wanted(spec: JsonObject, succeeded: int) -> int:
    """Without `completions` the first success means that there is no more work."""
    parallelism = int(spec.get("parallelism", 1))
    if spec.get("completions") is None:
        return 0 if succeeded else parallelism
    return min(parallelism, int(spec["completions"]) - succeeded)


def _ending(
    spec: JsonObject, *, active: int, succeeded: int, failed: int, left_s: float | None
) -> tuple[str, str, str] | None:
    for field, problem in _REFUSED.items():
        if spec.get(field):
            return "Failed", "Unsupported", f"spec.{field}: {problem} by this cluster"
    if spec.get("completionMode") == "Indexed":
        return "Failed", "Unsupported", "spec.completionMode: Indexed is not supported by this cluster"
    completions = spec.get("completions")
    if (succeeded and not active) if completions is None else succeeded >= completions:
        return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
    if failed > spec.get("backoffLimit", 6):
        return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    if left_s is not None and left_s <= 0:
        return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
    return None


def _retry_in_s(failed: list[JsonObject], now: datetime) -> float:
    """A growing pause after every failure."""
    ended = max((time for time in map(_ended_at, failed) if time is not None), default=None)
    if ended is None:
        return 0.0
    pause_s: float = min(FIRST_RETRY_S * 2 ** (len(failed) - 1), MAX_RETRY_S)
    return pause_s - (now - ended).total_seconds()


def _ended_at(pod: JsonObject) -> datetime | None:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    ends = [((item.get("state") or {}).get("terminated") or {}).get("finishedAt") for item in statuses]
    return max((time for time in map(parsed_time, ends) if time is not None), default=None)


def _phase(pod: JsonObject) -> str:
    return (pod.get("status") or {}).get("phase") or "Pending"


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
        self._jobs = informers.of(JOB)
        self._pods = informers.of(POD)
        self._jobs.on_change(self._on_job)
        self._pods.on_change(self._on_pod)

    def _on_job(self, _before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None:
            self.reconciler.queue.add(key_of(after))

    def _on_pod(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        owner = typed_owner(changed, JOB) if changed is not None else None
        if owner is not None:
            self.reconciler.queue.add(owner)

    async def _reconcile(self, key: NamespacedName) -> float | None:
        job = self._jobs.get(key)
        if job is None or is_being_deleted(job):
            return None
        status = job.get("status") or {}
        if any((condition_of(status, kind) or {}).get("status") == "True" for kind in ("Complete", "Failed")):
            return await self._clean_up(job)
        pods = [pod for pod in self._pods.in_namespace(key.namespace) if _is_owned(pod, job)]
        step = next_step(job, pods, self._now())
        for pod in step.delete:
            await self._delete(pod)
        wanted = self._finished(job, step) if step.finish is not None else step.status
        if wanted != status:
            stored = await self._client.replace(JOB, {**job, "status": wanted}, subresource="status")
            self._jobs.observe(stored)
        for _ in range(step.create):
            await self._create(job)
        return step.again_s

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

    async def _create(self, job: JsonObject) -> None:
        template = job["spec"]["template"]
        metadata = template.get("metadata") or {}
        ids = {"controller-uid": uid_of(job), "job-name": name_of(job)}
        labels = {**(metadata.get("labels") or {}), **ids}
        labels |= {f"batch.kubernetes.io/{key}": value for key, value in ids.items()}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": f"{name_of(job)}-",
                "namespace": namespace_of(job),
                "labels": labels,
                **({"annotations": metadata["annotations"]} if metadata.get("annotations") else {}),
                "ownerReferences": [controller_ref(job)],
            },
            "spec": template["spec"],
        }
        try:
            created = await self._client.create(POD, pod)
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


def _is_owned(pod: JsonObject, job: JsonObject) -> bool:
    owner = controller_of(pod)
    return owner is not None and owner["uid"] == uid_of(job)
