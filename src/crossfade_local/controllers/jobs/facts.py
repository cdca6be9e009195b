"""What the pods of a Job say, together with what its status has taken in of earlier ones; pure."""

from typing import NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.jobs.indexes import Indexes
from crossfade_local.controllers.jobs.pods import (
    failures_before,
    has_failed,
    ignored_before,
    index_of,
    is_held,
    is_indexed,
    phase_of,
)
from crossfade_local.controllers.jobs.policies import Verdict, verdict
from crossfade_local.controllers.objects import uid_of
from crossfade_local.controllers.pods import is_active


class Named(NamedTuple):
    """Uids in the status of pods that have ended and are not in its counts yet (`uncountedTerminatedPods`)."""

    succeeded: tuple[str, ...]
    failed: tuple[str, ...]

    @classmethod
    def of(cls, status: JsonObject) -> "Named":
        known = status.get("uncountedTerminatedPods") or {}
        return cls(tuple(known.get("succeeded") or ()), tuple(known.get("failed") or ()))


class Facts(NamedTuple):
    active: list[JsonObject]
    succeeded_pods: list[JsonObject]
    """Those that the status does not know yet; likewise for the failed ones."""
    failed_pods: list[JsonObject]
    succeeded: int
    failed: int
    completed: Indexes
    failed_indexes: Indexes
    predecessors: dict[int, JsonObject]
    """The last pod of each index that failed and is to be tried again; where indexes are counted one by one."""
    fatal: str
    """Why the Job's policy lets it fail, if it does."""


def facts_of(job: JsonObject, pods: list[JsonObject]) -> Facts:
    status = job.get("status") or {}
    named = Named.of(status)
    known = {*named.succeeded, *named.failed}
    fresh = [pod for pod in pods if is_held(pod) and uid_of(pod) not in known]
    if is_indexed(job):
        fresh = [pod for pod in fresh if 0 <= index_of(pod) < completions_of(job)]
    active = [pod for pod in pods if is_active(pod)]
    succeeded = [pod for pod in fresh if phase_of(pod) == "Succeeded"]
    failed = [pod for pod in fresh if has_failed(job, pod)]
    verdicts = {uid_of(pod): verdict(job, pod) for pod in pods if has_failed(job, pod)}
    counted = [pod for pod in failed if verdicts[uid_of(pod)].action != "Ignore"]
    completed = _completed(job, succeeded)
    lost = _lost_indexes(job, counted, verdicts)
    done = (status.get("succeeded") or 0) + len(named.succeeded) + len(succeeded)
    return Facts(
        active,
        succeeded,
        failed,
        completed.size() if is_indexed(job) else done,
        (status.get("failed") or 0) + len(named.failed) + len(counted),
        completed,
        lost,
        _predecessors(job, pods, active, completed.union(lost)),
        next((found.message for found in verdicts.values() if found.action == "FailJob"), ""),
    )


def completions_of(job: JsonObject) -> int:
    return int(job["spec"].get("completions") or 0)


def counts_each_index(job: JsonObject) -> bool:
    return is_indexed(job) and job["spec"].get("backoffLimitPerIndex") is not None


def _completed(job: JsonObject, succeeded: list[JsonObject]) -> Indexes:
    if not is_indexed(job):
        return Indexes()
    known = (job.get("status") or {}).get("completedIndexes") or ""
    return Indexes.parse(known, below=completions_of(job)).with_more(map(index_of, succeeded))


def _lost_indexes(job: JsonObject, failed: list[JsonObject], verdicts: dict[str, Verdict]) -> Indexes:
    """Those that are not tried again."""
    if not counts_each_index(job):
        return Indexes()
    limit, known = job["spec"]["backoffLimitPerIndex"], (job.get("status") or {}).get("failedIndexes") or ""
    return Indexes.parse(known, below=completions_of(job)).with_more(
        index_of(pod)
        for pod in failed
        if failures_before(pod) >= limit or verdicts[uid_of(pod)].action in ("FailIndex", "FailJob")
    )


def _predecessors(
    job: JsonObject, pods: list[JsonObject], active: list[JsonObject], done: Indexes
) -> dict[int, JsonObject]:
    if not counts_each_index(job):
        return {}
    settled = {index_of(pod) for pod in active}
    found: dict[int, JsonObject] = {}
    for pod in pods:
        index = index_of(pod)
        if not (is_held(pod) and has_failed(job, pod)) or index in settled or done.has(index):
            continue
        if 0 <= index < completions_of(job) and (index not in found or _tries(pod) >= _tries(found[index])):
            found[index] = pod
    return found


def _tries(pod: JsonObject) -> int:
    return failures_before(pod) + ignored_before(pod)
