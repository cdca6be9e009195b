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
from crossfade_local.controllers.jobs.backoff import Failures
from crossfade_local.controllers.jobs.facts import facts_of
from crossfade_local.controllers.jobs.orphans import is_finished, is_ours, let_go
from crossfade_local.controllers.jobs.plan import Ending, JobStep, next_step
from crossfade_local.controllers.jobs.pods import FINALIZER, is_held, new_pod
from crossfade_local.controllers.jobs.status import Ledger, counted, ended, settled
from crossfade_local.controllers.objects import (
    condition_of,
    is_being_deleted,
    name_of,
    namespace_of,
    parsed_time,
    ref_of,
    selector_of,
    stamp,
    uid_of,
    with_condition,
)
from crossfade_local.controllers.owned_pods import OwnedPods
from crossfade_local.controllers.ownership import adopt_or_release, follow
from crossfade_local.controllers.pods import is_active
from crossfade_local.controllers.reconciler import Reconciler


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
        self._failures: dict[str, Failures] = {}
        """Of each Job by its uid: what is forgotten with the process only shortens a pause."""
        self._jobs = informers.of(JOB)
        self._pods = informers.of(POD)
        self._own = OwnedPods(client, self._pods, events)
        self._jobs.on_change(self._forget)
        follow(self.reconciler.queue, JOB, self._jobs, self._pods)

    def _forget(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if before is not None and after is None:
            self._failures.pop(uid_of(before), None)

    async def _reconcile(self, key: NamespacedName) -> float | None:
        job = self._jobs.get(key)
        if job is None or not is_ours(job):
            self.reconciler.queue.forget(key)
            return None
        if is_finished(job):
            self._failures.pop(uid_of(job), None)
            return None if is_being_deleted(job) else await self._clean_up(job)
        pods = await self._own_pods(job)
        job = self._noting_suspension(job)
        facts, now = facts_of(job, pods), self._now()
        failures = self._failures.get(uid_of(job), Failures()).after(facts.succeeded_pods, facts.failed_pods)
        step = next_step(job, pods, facts, failures, now)
        await self._delete(job, step)
        created, refusal = await self._create(job, step)
        ledger = counted(job, pods, facts, step, created=created, now=now)
        await self._keep(job, pods, ledger, step, failures)
        if refusal is not None:
            raise refusal
        return step.again_s

    async def _own_pods(self, job: JsonObject) -> list[JsonObject]:
        """All that it controls, with those that it adopts; what runs is held until the end is counted."""
        selector = selector_of(job["spec"].get("selector"))
        if selector is None:
            return []
        present = self._pods.in_namespace(namespace_of(job))
        owned = await adopt_or_release(self._client, self._pods, job, selector, present)
        return [await self._hold(pod) if _escapes(job, pod) else pod for pod in owned]

    async def _hold(self, pod: JsonObject) -> JsonObject:
        held = {**pod, "metadata": {**pod["metadata"]}}
        held["metadata"]["finalizers"] = [*(pod["metadata"].get("finalizers") or ()), FINALIZER]
        stored = await self._client.replace(POD, held)
        self._pods.observe(stored)
        return stored

    async def _delete(self, job: JsonObject, step: JobStep) -> None:
        for pod in step.delete:
            if step.lets_go:
                await let_go(self._client, self._pods, pod)
            await self._own.delete(job, pod)

    async def _create(self, job: JsonObject, step: JobStep) -> tuple[int, ApiError | None]:
        """How many could be created, and why not all."""
        for created, one in enumerate(step.create):
            try:
                await self._own.create(job, new_pod(job, one))
            except ApiError as exc:
                # Nothing can be created in a namespace that is being deleted, and nothing needs to.
                return created, None if exc.has_cause("NamespaceTerminating") else exc
        return len(step.create), None

    async def _keep(
        self, job: JsonObject, pods: list[JsonObject], ledger: Ledger, step: JobStep, failures: Failures
    ) -> None:
        """Names what has ended, lets it go, counts it, and ends the Job when nothing is left."""
        job = await self._write(job, ledger.status)
        if failures.number:
            self._failures[uid_of(job)] = failures
        else:
            self._failures.pop(uid_of(job), None)
        for pod in ledger.let_go:
            await let_go(self._client, self._pods, pod)
        gone = {uid_of(pod) for pod in ledger.let_go}
        held = {uid_of(pod) for pod in pods if is_held(pod)} - gone
        last = ended(settled(ledger.status, held), step.ending, self._now())
        job = await self._write(job, last)
        if step.ending is not None and is_finished(job):
            self._tell_end(job, step.ending)

    async def _write(self, job: JsonObject, status: JsonObject) -> JsonObject:
        if status == job.get("status"):
            return job
        stored = await self._client.replace(JOB, {**job, "status": status}, subresource="status")
        self._jobs.observe(stored)
        return stored

    def _tell_end(self, job: JsonObject, ending: Ending) -> None:
        if ending.kind == "Failed":
            self._events.warning(ref_of(job), ending.reason, ending.message)
            return
        completions = job["spec"].get("completions")
        if completions is not None and (job["status"].get("succeeded") or 0) > completions:
            text = "Too many succeeded pods running after completion count reached"
            self._events.warning(ref_of(job), "TooManySucceededPods", text)
        self._events.normal(ref_of(job), "Completed", "Job completed")

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


def _escapes(job: JsonObject, pod: JsonObject) -> bool:
    """Its end would not be counted: it was adopted, or is older than the way of counting."""
    return not is_held(pod) and is_active(pod) and not is_being_deleted(job)
