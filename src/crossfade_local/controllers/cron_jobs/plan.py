"""When a CronJob's next Job is due, what it looks like, and which finished ones go; pure."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import (
    condition_of,
    controller_ref,
    name_of,
    namespace_of,
    parsed_time,
    uid_of,
)
from crossfade_local.cron import Schedule, parse_schedule, zone_of

SCHEDULED_AT: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MANY_MISSED: Final = 100
_EPOCH_MINUTE_S: Final = 60


class Due(NamedTuple):
    """`at` is the last time that has come, if any since the last Job; `next_at` the following one."""

    at: datetime | None
    next_at: datetime | None
    has_missed_many: bool = False


def due(cron_job: JsonObject, schedule: Schedule, now: datetime) -> Due:
    """Raises ScheduleError for an unknown time zone."""
    spec, status = cron_job["spec"], cron_job.get("status") or {}
    zone = zone_of(spec.get("timeZone"))
    earliest = parsed_time(status.get("lastScheduleTime")) or parsed_time(cron_job["metadata"]["creationTimestamp"])
    assert earliest is not None
    if (deadline_s := spec.get("startingDeadlineSeconds")) is not None:
        earliest = max(earliest, _before(now, deadline_s))
    first = schedule.after(earliest, zone)
    if first is None or first > now:
        return Due(None, first)
    # What lies between is skipped in one leap, however long the controller was away.
    latest, missed = first, 1
    while (following := schedule.after(latest, zone)) is not None and following <= now:
        latest, missed = following, missed + 1
        if missed > _MANY_MISSED:
            latest = _latest(schedule, latest, now, cron_job)
            break
    return Due(latest, schedule.after(now, zone), missed > _MANY_MISSED and deadline_s is None)


def _latest(schedule: Schedule, known: datetime, now: datetime, cron_job: JsonObject) -> datetime:
    """The last time until now: searched backwards over spans that double."""
    zone, span = zone_of(cron_job["spec"].get("timeZone")), timedelta(minutes=1)
    while (start := max(known, now - span)) > known:
        found = schedule.after(start, zone)
        if found is not None and found <= now:
            while (following := schedule.after(found, zone)) is not None and following <= now:
                found = following
            return found
        span *= 2
    return known


def is_too_late(cron_job: JsonObject, at: datetime, now: datetime) -> bool:
    deadline_s = cron_job["spec"].get("startingDeadlineSeconds")
    return deadline_s is not None and at < _before(now, deadline_s)


def new_job(cron_job: JsonObject, at: datetime) -> JsonObject:
    """Its name says the minute, so it is made once."""
    template = cron_job["spec"]["jobTemplate"]
    metadata = template.get("metadata") or {}
    shown = at.astimezone(zone_of(cron_job["spec"].get("timeZone"))).isoformat(timespec="seconds")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{name_of(cron_job)}-{int(at.timestamp()) // _EPOCH_MINUTE_S}",
            "namespace": namespace_of(cron_job),
            "annotations": {**(metadata.get("annotations") or {}), SCHEDULED_AT: shown.replace("+00:00", "Z")},
            **({"labels": metadata["labels"]} if metadata.get("labels") else {}),
            "ownerReferences": [controller_ref(cron_job)],
        },
        "spec": template["spec"],
    }


def ending_of(job: JsonObject) -> str | None:
    """`Complete` or `Failed`; None while it runs."""
    for kind in ("Complete", "Failed"):
        if (condition_of(job.get("status") or {}, kind) or {}).get("status") == "True":
            return kind
    return None


def surplus(cron_job: JsonObject, jobs: list[JsonObject]) -> list[JsonObject]:
    """The oldest finished Jobs beyond the limits."""
    found: list[JsonObject] = []
    for field, kind in (("successfulJobsHistoryLimit", "Complete"), ("failedJobsHistoryLimit", "Failed")):
        limit = cron_job["spec"].get(field)
        ended = sorted((job for job in jobs if ending_of(job) == kind), key=_age_key)
        if limit is not None:
            found += ended[: max(0, len(ended) - int(limit))]
    return found


def reference(job: JsonObject) -> JsonObject:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "namespace": namespace_of(job),
        "name": name_of(job),
        "uid": uid_of(job),
        "resourceVersion": job["metadata"].get("resourceVersion", ""),
    }


def checked_schedule(cron_job: JsonObject) -> Schedule:
    """Raises ScheduleError."""
    return parse_schedule(cron_job["spec"].get("schedule") or "")


def _age_key(job: JsonObject) -> tuple[str, str]:
    return (job.get("status") or {}).get("startTime") or "", name_of(job)


def _before(now: datetime, seconds: int) -> datetime:
    """As far back as dates go, at most."""
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:
        return datetime.min.replace(tzinfo=now.tzinfo)
