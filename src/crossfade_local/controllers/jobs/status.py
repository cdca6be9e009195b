"""A Job's status, and how the ends of its pods get into its counts; pure.

First the status names a pod that has ended, then the pod loses its finalizer, then it is counted and no longer named:
whatever fails in between is taken up where it was left.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.jobs.facts import Facts, Named, completions_of, counts_each_index
from crossfade_local.controllers.jobs.plan import INTERIM, Ending, JobStep
from crossfade_local.controllers.jobs.pods import has_failed, index_of, is_held, is_indexed, is_terminating, phase_of
from crossfade_local.controllers.jobs.policies import verdict
from crossfade_local.controllers.objects import condition_of, is_being_deleted, stamp, uid_of
from crossfade_local.controllers.pods import is_ready

MOST_NAMED: Final = 500


class Ledger(NamedTuple):
    """`let_go` are the pods that lose their finalizer when the status names those that have ended."""

    status: JsonObject
    let_go: list[JsonObject]


def counted(
    job: JsonObject, pods: list[JsonObject], facts: Facts, step: JobStep, *, created: int, now: datetime
) -> Ledger:
    """After the step, of which `created` pods could be made."""
    known = dict(job.get("status") or {})
    settled_status = settled(known, {uid_of(pod) for pod in pods if is_held(pod)})
    named, let_go = _named(job, pods, facts, step.ending, Named.of(settled_status))
    counts = {
        "active": len(facts.active) - len(step.delete) + created,
        "succeeded": facts.completed.size() if is_indexed(job) else settled_status.get("succeeded") or 0,
        "failed": settled_status.get("failed") or 0,
    }
    status = {key: value for key, value in settled_status.items() if key not in (*counts, "completedIndexes")}
    status |= {key: value for key, value in counts.items() if value}
    status |= {
        "ready": sum(map(is_ready, facts.active)) - sum(map(is_ready, step.delete)),
        "terminating": sum(map(is_terminating, pods)) + len(step.delete),
        "uncountedTerminatedPods": {key: list(uids) for key, uids in named._asdict().items() if uids},
    }
    if facts.completed.spans:
        status["completedIndexes"] = str(facts.completed)
    if counts_each_index(job):
        status["failedIndexes"] = str(facts.failed_indexes)
    if not job["spec"].get("suspend"):
        status.setdefault("startTime", stamp(now))
    return Ledger(_with(status, step.ending, now, is_interim=True), let_go)


def settled(status: JsonObject, held: Collection[str]) -> JsonObject:
    """With the named pods counted that are not `held` any more."""
    named = Named.of(status)
    changed = dict(status)
    left = {}
    for field, uids in named._asdict().items():
        waiting = [uid for uid in uids if uid in held]
        if len(waiting) < len(uids):
            changed[field] = (status.get(field) or 0) + len(uids) - len(waiting)
        if waiting:
            left[field] = waiting
    return {**changed, "uncountedTerminatedPods": left}


def ended(status: JsonObject, ending: Ending | None, now: datetime) -> JsonObject:
    """With the last condition, once nothing runs any more and everything is counted."""
    if ending is None or status["uncountedTerminatedPods"] or status["terminating"]:
        return status
    last = _with(status, ending, now, is_interim=False)
    return {**last, "completionTime": stamp(now)} if ending.kind == "Complete" else last


def _named(
    job: JsonObject, pods: list[JsonObject], facts: Facts, ending: Ending | None, known: Named
) -> tuple[Named, list[JsonObject]]:
    succeeded, failed, let_go = list(known.succeeded), list(known.failed), []
    for pod in sorted(filter(is_held, pods), key=index_of):
        if not _may_go(job, facts, pod, ending):
            continue
        let_go.append(pod)
        uid = uid_of(pod)
        if uid in succeeded or uid in failed:
            continue
        if phase_of(pod) == "Succeeded":
            # The index tells that of an indexed Job.
            succeeded.extend([] if is_indexed(job) else [uid])
        elif _counts_as_failure(job, pod, ending):
            failed.append(uid)
        if len(succeeded) + len(failed) >= MOST_NAMED:
            break
    return Named(tuple(succeeded), tuple(failed)), let_go


def _may_go(job: JsonObject, facts: Facts, pod: JsonObject, ending: Ending | None) -> bool:
    if is_being_deleted(job) or ending is not None or phase_of(pod) == "Succeeded":
        return True
    # Its successor takes the count of its failures over.
    return has_failed(job, pod) and facts.predecessors.get(index_of(pod)) is not pod


def _counts_as_failure(job: JsonObject, pod: JsonObject, ending: Ending | None) -> bool:
    """All that a failed Job leaves unfinished does."""
    if not has_failed(job, pod) and (ending is None or ending.kind != "Failed"):
        return False
    if is_indexed(job) and not 0 <= index_of(pod) < completions_of(job):
        return False
    return verdict(job, pod).action != "Ignore"


def _with(status: JsonObject, ending: Ending | None, now: datetime, *, is_interim: bool) -> JsonObject:
    if ending is None:
        return status
    kind = INTERIM[ending.kind] if is_interim else ending.kind
    if condition_of(status, kind) is not None:
        return status
    condition = {
        "type": kind,
        "status": "True",
        "lastProbeTime": stamp(now),
        "lastTransitionTime": stamp(now),
        "reason": ending.reason,
        "message": ending.message,
    }
    return {**status, "conditions": [*(status.get("conditions") or ()), condition]}
