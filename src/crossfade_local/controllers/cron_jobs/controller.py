"""The CronJob controller: makes Jobs when they are due, by its concurrency policy, and removes old ones."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, ApiError, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import CRON_JOB, JOB
from crossfade_local.controllers.cron_jobs import plan
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import (
    controller_of,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    ref_of,
    stamp,
    typed_owner,
    uid_of,
)
from crossfade_local.controllers.reconciler import Reconciler
from crossfade_local.cron import ScheduleError

# Longer timers are set again on the way: clocks may be changed.
_LONGEST_TIMER_S = 3600.0
_NEVER: Final = "time difference between two schedules is less than 1 second"
"""Kubernetes' words for a day that does not exist."""


class CronJobs:
    """The CronJob controller."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        events: EventRecorder,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("cronjob", self._reconcile)
        self._client = client
        self._events = events
        self._now = now
        self._cron_jobs = informers.of(CRON_JOB)
        self._jobs = informers.of(JOB)
        self._cron_jobs.on_change(self._on_cron_job)
        self._jobs.on_change(self._on_job)

    def _on_cron_job(self, _before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None:
            self.reconciler.queue.add(key_of(after))

    def _on_job(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        owner = typed_owner(changed, CRON_JOB) if changed is not None else None
        if owner is not None:
            self.reconciler.queue.add(owner)

    async def _reconcile(self, key: NamespacedName) -> float | None:
        cron_job = self._cron_jobs.get(key)
        if cron_job is None or is_being_deleted(cron_job):
            self.reconciler.queue.forget(key)
            return None
        jobs = self._own_jobs(cron_job)
        surplus = plan.surplus(cron_job, jobs)
        for job in surplus:
            await self._delete(cron_job, job)
        cron_job = await self._note_endings(cron_job, jobs, {uid_of(job) for job in surplus})
        if cron_job["spec"].get("suspend"):
            return None
        return await self._start_what_is_due(cron_job, jobs)

    def _own_jobs(self, cron_job: JsonObject) -> list[JsonObject]:
        found = []
        for job in self._jobs.in_namespace(namespace_of(cron_job)):
            owner = controller_of(job)
            if owner is not None and owner["uid"] == uid_of(cron_job):
                found.append(job)
        return found

    async def _note_endings(self, cron_job: JsonObject, jobs: list[JsonObject], deleted: set[str]) -> JsonObject:
        """Takes Jobs that have ended, or are gone, off the active ones; what was `deleted` was told of already."""
        status = cron_job.get("status") or {}
        by_uid = {uid_of(job): job for job in jobs}
        active, last_success = [], status.get("lastSuccessfulTime")
        for item in status.get("active") or ():
            job = by_uid.get(item["uid"])
            ending = plan.ending_of(job) if job is not None else None
            if job is None:
                text = f"Active job went missing: {item['name']}"
                self._events.normal(ref_of(cron_job), "MissingJob", text)
            elif ending is None:
                active.append(item)
            elif item["uid"] not in deleted:
                text = f"Saw completed job: {item['name']}, condition: {ending}"
                self._events.normal(ref_of(cron_job), "SawCompletedJob", text)
        known = {item["uid"] for item in status.get("active") or ()}
        for job in jobs:
            if uid_of(job) not in known and plan.ending_of(job) is None:
                text = f"Saw a job that the controller did not create or forgot: {name_of(job)}"
                self._events.warning(ref_of(cron_job), "UnexpectedJob", text)
            if plan.ending_of(job) == "Complete" and (ended := (job.get("status") or {}).get("completionTime")):
                last_success = max(last_success or "", ended)
        wanted = {key: value for key, value in status.items() if key != "active"}
        wanted |= {"active": active} if active else {}
        wanted |= {"lastSuccessfulTime": last_success} if last_success else {}
        return await self._write_status(cron_job, wanted)

    async def _start_what_is_due(self, cron_job: JsonObject, jobs: list[JsonObject]) -> float | None:
        now = self._now()
        try:
            schedule = plan.checked_schedule(cron_job)
            due = plan.due(cron_job, schedule, now)
        except ScheduleError as error:
            text = f'unparseable schedule: "{cron_job["spec"].get("schedule")}" : {error}'
            self._events.warning(ref_of(cron_job), "UnparseableSchedule", text)
            return None
        if due.at is None and due.next_at is None:
            text = f"invalid schedule: {cron_job['spec']['schedule']} : {_NEVER}"
            self._events.warning(ref_of(cron_job), "InvalidSchedule", text)
        again_s = None if due.next_at is None else (due.next_at - now).total_seconds()
        if due.has_missed_many:
            text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._events.warning(ref_of(cron_job), "TooManyMissedTimes", text)
        if due.at is not None:
            await self._start(cron_job, jobs, due.at, now)
        return None if again_s is None else min(max(again_s, 0.0) + 0.01, _LONGEST_TIMER_S)

    async def _start(self, cron_job: JsonObject, jobs: list[JsonObject], at: datetime, now: datetime) -> None:
        if plan.is_too_late(cron_job, at, now):
            text = f"Missed scheduled time to start a job: {at:%a, %d %b %Y %H:%M:%S} +0000"
            self._events.warning(ref_of(cron_job), "MissSchedule", text)
            return
        running = [job for job in jobs if plan.ending_of(job) is None]
        policy = cron_job["spec"].get("concurrencyPolicy", "Allow")
        if policy == "Forbid" and running:
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._events.normal(ref_of(cron_job), "JobAlreadyActive", text)
            return
        if policy == "Replace":
            for job in running:
                await self._delete(cron_job, job)
            running = []
        await self._create(cron_job, running, at)

    async def _create(self, cron_job: JsonObject, running: list[JsonObject], at: datetime) -> None:
        wanted = plan.new_job(cron_job, at)
        try:
            job = await self._client.create(JOB, wanted)
        except AlreadyExists:
            job = await self._client.get(JOB, name_of(wanted), namespace=namespace_of(wanted))
        except ApiError as error:
            if not error.has_cause("NamespaceTerminating"):
                text = f"Error creating job: {error.message}"
                self._events.warning(ref_of(cron_job), "FailedCreate", text)
            raise
        else:
            self._events.normal(ref_of(cron_job), "SuccessfulCreate", f"Created job {name_of(job)}")
        self._jobs.observe(job)
        status = dict(cron_job.get("status") or {})
        active = [plan.reference(item) for item in running if uid_of(item) != uid_of(job)]
        if plan.ending_of(job) is None:
            active.append(plan.reference(job))
        status |= {"lastScheduleTime": stamp(at), **({"active": active} if active else {})}
        await self._write_status(cron_job, status)

    async def _delete(self, cron_job: JsonObject, job: JsonObject) -> None:
        try:
            await self._client.delete(
                JOB, name_of(job), namespace=namespace_of(job), uid=uid_of(job), propagation_policy="Background"
            )
        except NotFound:
            return
        self._events.normal(ref_of(cron_job), "SuccessfulDelete", f"Deleted job {name_of(job)}")

    async def _write_status(self, cron_job: JsonObject, status: JsonObject) -> JsonObject:
        if status == (cron_job.get("status") or {}):
            return cron_job
        stored = await self._client.replace(CRON_JOB, {**cron_job, "status": status}, subresource="status")
        self._cron_jobs.observe(stored)
        return stored
