"""What a Job does next: how many pods to make, for which indexes, and when it has ended; pure."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.jobs.indexes import Indexes
from crossfade_local.controllers.jobs.pods import failures_before, index_of, is_indexed
from crossfade_local.controllers.jobs.policies import has_succeeded, verdict
from crossfade_local.controllers.objects import is_being_deleted, parsed_time, stamp
from crossfade_local.controllers.pods import is_active, is_ready

FIRST_RETRY_S: Final = 10.0
MAX_RETRY_S: Final = 360.0
MOST_AT_ONCE: Final = 500


class NewPod(NamedTuple):
    """`completion_index` is None where the Job is not indexed; `failures` of that index until now."""

    completion_index: int | None = None
    failures: int = 0


class JobStep(NamedTuple):
    """What to do now; `finish` is (condition, reason, message) once the Job has ended."""

    create: list[NewPod]
    delete: list[JsonObject]
    status: JsonObject
    finish: tuple[str, str, str] | None
    again_s: float | None


class _Facts(NamedTuple):
    """The pods of a Job, sorted out."""

    active: list[JsonObject]
    failed: list[JsonObject]
    """Those that count."""
    succeeded_count: int
    failed_count: int
    completed: Indexes
    failed_indexes: Indexes
    fatal: str


def next_step(job: JsonObject, pods: list[JsonObject], now: datetime, *, gone: tuple[int, int] = (0, 0)) -> JobStep:
    """`gone` are ended pods that no longer exist: (succeeded, failed)."""
    spec, known = job["spec"], job.get("status") or {}
    facts = _facts(job, pods, gone)
    started = known.get("startTime") or stamp(now)
    status = _status(job, pods, facts, started)
    if spec.get("suspend"):
        return JobStep([], facts.active, {key: status[key] for key in status if key != "startTime"}, None, None)
    left_s = None
    if (deadline_s := spec.get("activeDeadlineSeconds")) is not None:
        left_s = deadline_s - (now - (parsed_time(started) or now)).total_seconds()
    finish = _ending(job, facts, left_s)
    if finish is not None:
        return JobStep([], facts.active, status, finish, None)
    missing = _wanted(spec, facts) - len(facts.active)
    if missing < 0:
        return JobStep([], facts.active[missing:], status, None, left_s)
    if spec.get("podReplacementPolicy") == "Failed":
        missing -= sum(is_being_deleted(pod) and not _is_finished(pod) for pod in pods)
    wait_s = _retry_in_s(facts.failed, now) if missing > 0 else 0.0
    if wait_s > 0:
        return JobStep([], [], status, None, wait_s if left_s is None else min(wait_s, left_s))
    return JobStep(_new_pods(job, facts, max(0, missing)), [], status, None, left_s)


def _facts(job: JsonObject, pods: list[JsonObject], gone: tuple[int, int]) -> _Facts:
    failed, fatal, lost = [], "", []
    per_index = job["spec"].get("backoffLimitPerIndex")
    for pod in pods:
        if _phase(pod) != "Failed" or is_being_deleted(pod):
            continue
        found = verdict(job, pod)
        if found.action == "FailJob":
            fatal = fatal or found.message
        if found.action == "Ignore":
            continue
        failed.append(pod)
        if per_index is not None and (found.action == "FailIndex" or failures_before(pod) + 1 > per_index):
            lost.append(index_of(pod))
    succeeded = [pod for pod in pods if _phase(pod) == "Succeeded"]
    completed, failed_indexes = _indexes(job, succeeded, lost)
    done = completed.size() if is_indexed(job) else len(succeeded) + gone[0]
    return _Facts(
        [pod for pod in pods if is_active(pod)], failed, done, len(failed) + gone[1], completed, failed_indexes, fatal
    )


def _indexes(job: JsonObject, succeeded: list[JsonObject], lost: list[int]) -> tuple[Indexes, Indexes]:
    """Completed and failed ones, of the status and of the pods."""
    known, below = job.get("status") or {}, int(job["spec"].get("completions") or 0)
    if not is_indexed(job):
        return Indexes(), Indexes()
    completed = Indexes.parse(known.get("completedIndexes") or "", below=below)
    failed = Indexes.parse(known.get("failedIndexes") or "", below=below)
    return (
        completed.with_more(index for index in map(index_of, succeeded) if 0 <= index < below),
        failed.with_more(index for index in lost if 0 <= index < below),
    )


def _status(job: JsonObject, pods: list[JsonObject], facts: _Facts, started: str) -> JsonObject:
    known = job.get("status") or {}
    counts = {
        "active": len(facts.active),
        "ready": sum(map(is_ready, facts.active)),
        "succeeded": facts.succeeded_count,
        "failed": facts.failed_count,
        "terminating": sum(is_being_deleted(pod) and not _is_finished(pod) for pod in pods),
    }
    always = ("ready", "terminating")
    status: JsonObject = {key: value for key, value in counts.items() if value or key in always}
    if facts.completed.spans:
        status["completedIndexes"] = str(facts.completed)
    if job["spec"].get("backoffLimitPerIndex") is not None and is_indexed(job):
        status["failedIndexes"] = str(facts.failed_indexes)
    return status | {"startTime": started} | ({"conditions": known["conditions"]} if known.get("conditions") else {})


def _wanted(spec: JsonObject, facts: _Facts) -> int:
    """Without `completions` the first success means that there is no more work."""
    parallelism = int(spec.get("parallelism", 1))
    if spec.get("completions") is None:
        return 0 if facts.succeeded_count else parallelism
    left = int(spec["completions"]) - facts.succeeded_count - facts.failed_indexes.size()
    return min(parallelism, max(left, 0))


def _new_pods(job: JsonObject, facts: _Facts, missing: int) -> list[NewPod]:
    count = min(missing, MOST_AT_ONCE)
    if not is_indexed(job):
        return [NewPod()] * count
    taken = facts.completed.union(facts.failed_indexes).with_more(
        index for index in map(index_of, facts.active) if index >= 0
    )
    failures: dict[int, int] = {}
    for pod in facts.failed:
        failures[index_of(pod)] = max(failures.get(index_of(pod), 0), failures_before(pod) + 1)
    free = islice(taken.missing(int(job["spec"].get("completions") or 0)), count)
    return [NewPod(index, failures.get(index, 0)) for index in free]


def _ending(job: JsonObject, facts: _Facts, left_s: float | None) -> tuple[str, str, str] | None:
    spec = job["spec"]
    if facts.fatal:
        return "Failed", "PodFailurePolicy", facts.fatal
    if matched := has_succeeded(job, facts.completed):
        return "Complete", "SuccessPolicy", matched
    if _is_complete(spec, facts):
        return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
    if facts.failed_count > spec.get("backoffLimit", 6) or _restarts_too_often(spec, facts.active):
        return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    if left_s is not None and left_s <= 0:
        return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
    if facts.failed_indexes.spans:
        return _failed_indexes(spec, facts)
    return None


def _is_complete(spec: JsonObject, facts: _Facts) -> bool:
    completions = spec.get("completions")
    if completions is None:
        return bool(facts.succeeded_count) and not facts.active
    return facts.succeeded_count >= int(completions)


def _failed_indexes(spec: JsonObject, facts: _Facts) -> tuple[str, str, str] | None:
    count, most = facts.failed_indexes.size(), spec.get("maxFailedIndexes")
    if most is not None and count > most:
        text = "Job has exceeded the specified maximal number of failed indexes"
        return "Failed", "MaxFailedIndexesExceeded", text
    if count + facts.succeeded_count >= int(spec.get("completions") or 0):
        return "Failed", "FailedIndexes", "Job has failed indexes"
    return None


def _restarts_too_often(spec: JsonObject, active: Iterable[JsonObject]) -> bool:
    """Containers that are restarted in their pod count as failures too."""
    if ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy") != "OnFailure":
        return False
    limit = spec.get("backoffLimit", 6)
    restarts = 0
    for pod in active:
        status = pod.get("status") or {}
        for field in ("initContainerStatuses", "containerStatuses"):
            restarts += sum(item.get("restartCount", 0) for item in status.get(field) or ())
    return restarts > 0 if limit == 0 else restarts >= limit


def _retry_in_s(failed: list[JsonObject], now: datetime) -> float:
    """A growing pause after every failure."""
    ended = max((time for time in map(_ended_at, failed) if time is not None), default=None)
    if ended is None:
        return 0.0
    pause_s: float = min(FIRST_RETRY_S * 2 ** min(len(failed) - 1, 20), MAX_RETRY_S)
    return pause_s - (now - ended).total_seconds()


def _ended_at(pod: JsonObject) -> datetime | None:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    ends = [((item.get("state") or {}).get("terminated") or {}).get("finishedAt") for item in statuses]
    return max((time for time in map(parsed_time, ends) if time is not None), default=None)


def _phase(pod: JsonObject) -> str:
    return (pod.get("status") or {}).get("phase") or "Pending"


def _is_finished(pod: JsonObject) -> bool:
    return _phase(pod) in ("Succeeded", "Failed")
