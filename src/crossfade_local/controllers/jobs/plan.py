"""What a Job does next: which pods to make and to delete, and when it has ended; pure."""

from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.jobs.backoff import Failures
from crossfade_local.controllers.jobs.facts import Facts, completions_of, counts_each_index
from crossfade_local.controllers.jobs.pods import (
    NewPod,
    failures_before,
    ignored_before,
    index_of,
    is_indexed,
    is_terminating,
    replaces_only_ended,
)
from crossfade_local.controllers.jobs.policies import has_succeeded, verdict
from crossfade_local.controllers.objects import condition_of, is_being_deleted, parsed_time
from crossfade_local.controllers.pods import deletion_order

MOST_AT_ONCE: Final = 500
INTERIM: Final = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}
"""What a Job is while it has ended and its pods have not."""


class Ending(NamedTuple):
    """`kind` is that of the condition: Complete or Failed."""

    kind: str
    reason: str
    message: str


class JobStep(NamedTuple):
    """What to do now. Pods of `delete` count as failures unless they are let go first, which `lets_go` says."""

    create: list[NewPod]
    delete: list[JsonObject]
    lets_go: bool
    ending: Ending | None
    again_s: float | None


def next_step(job: JsonObject, pods: list[JsonObject], facts: Facts, failures: Failures, now: datetime) -> JobStep:
    spec = job["spec"]
    left_s = _left_s(job, now)
    ending = _ending(job, facts, left_s)
    if ending is not None:
        return JobStep([], facts.active, False, ending, None)
    if is_being_deleted(job):
        return JobStep([], [], False, _completion(spec, facts, len(facts.active)), None)
    if spec.get("suspend"):
        return JobStep([], facts.active, True, _completion(spec, facts, 0), None)
    wanted = _wanted(spec, facts)
    surplus = _surplus(job, facts.active, len(facts.active) - wanted)
    if surplus:
        remaining = len(facts.active) - len(surplus)
        return JobStep([], surplus[:MOST_AT_ONCE], True, _completion(spec, facts, remaining), left_s)
    missing = wanted - len(facts.active)
    if replaces_only_ended(job):
        missing -= sum(map(is_terminating, pods))
    create, wait_s = _new_pods(job, pods, facts, failures, min(max(missing, 0), MOST_AT_ONCE), now)
    waits = [wait for wait in (wait_s, left_s) if wait is not None]
    return JobStep(
        create, [], False, _completion(spec, facts, len(facts.active) + len(create)), min(waits, default=None)
    )


def _left_s(job: JsonObject, now: datetime) -> float | None:
    """Until activeDeadlineSeconds have passed."""
    deadline_s = job["spec"].get("activeDeadlineSeconds")
    if deadline_s is None or job["spec"].get("suspend"):
        return None
    started = parsed_time((job.get("status") or {}).get("startTime")) or now
    left_s: float = deadline_s - (now - started).total_seconds()
    return left_s


def _ending(job: JsonObject, facts: Facts, left_s: float | None) -> Ending | None:
    """One that was noted before stays. All but the completion, which depends on what is done now."""
    spec, status = job["spec"], job.get("status") or {}
    for kind, interim in INTERIM.items():
        noted = condition_of(status, interim)
        if noted is not None and noted["status"] == "True":
            return Ending(kind, noted.get("reason") or "", noted.get("message") or "")
    if facts.fatal:
        return Ending("Failed", "PodFailurePolicy", facts.fatal)
    if facts.failed > spec.get("backoffLimit", 6) or _restarts_too_often(spec, facts.active):
        return Ending("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if left_s is not None and left_s <= 0:
        return Ending("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    if facts.failed_indexes.spans and (failed := _failed_indexes(job, facts)):
        return failed
    if matched := has_succeeded(job, facts.completed):
        return Ending("Complete", "SuccessPolicy", matched)
    return None


def _failed_indexes(job: JsonObject, facts: Facts) -> Ending | None:
    count, most = facts.failed_indexes.size(), job["spec"].get("maxFailedIndexes")
    if most is not None and count > most:
        text = "Job has exceeded the specified maximal number of failed indexes"
        return Ending("Failed", "MaxFailedIndexesExceeded", text)
    if count + facts.completed.size() >= completions_of(job):
        return Ending("Failed", "FailedIndexes", "Job has failed indexes")
    return None


def _completion(spec: JsonObject, facts: Facts, active: int) -> Ending | None:
    """Without `completions` the first success means that there is no more work to begin."""
    completions = spec.get("completions")
    needed = 1 if completions is None else int(completions)
    if active or facts.succeeded < needed:
        return None
    return Ending("Complete", "CompletionsReached", "Reached expected number of succeeded pods")


def _restarts_too_often(spec: JsonObject, active: list[JsonObject]) -> bool:
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


def _wanted(spec: JsonObject, facts: Facts) -> int:
    """How many pods are to be active; what runs when there is no more work to begin may end it."""
    parallelism = int(spec.get("parallelism", 1))
    if spec.get("completions") is None:
        return len(facts.active) if facts.succeeded else parallelism
    left = int(spec["completions"]) - facts.succeeded - facts.failed_indexes.size()
    return min(parallelism, max(left, 0))


def _surplus(job: JsonObject, active: list[JsonObject], count: int) -> list[JsonObject]:
    """At least `count`: pods that no index needs first, then those that a ReplicaSet would delete first."""
    unneeded: list[JsonObject] = []
    kept = sorted(active, key=lambda pod: deletion_order(pod, 0))
    if is_indexed(job):
        last = {index_of(pod): pod for pod in kept if 0 <= index_of(pod) < completions_of(job)}
        unneeded = [pod for pod in kept if last.get(index_of(pod)) is not pod]
        kept = [pod for pod in kept if last.get(index_of(pod)) is pod]
    return [*unneeded, *kept[: max(0, count - len(unneeded))]]


def _new_pods(
    job: JsonObject, pods: list[JsonObject], facts: Facts, failures: Failures, count: int, now: datetime
) -> tuple[list[NewPod], float | None]:
    """Those to make now; if failures hold them up, for how many seconds."""
    if count == 0:
        return [], None
    if not counts_each_index(job) and (pause_s := failures.pause_s(now)) > 0:
        return [], pause_s
    if not is_indexed(job):
        return [NewPod()] * count, None
    taken = facts.completed.union(facts.failed_indexes).with_more(
        index_of(pod)
        for pod in (*facts.active, *(filter(is_terminating, pods) if replaces_only_ended(job) else ()))
        if index_of(pod) >= 0
    )
    free = list(islice(taken.missing(completions_of(job)), count))
    pauses = {index: _pause_s(facts.predecessors.get(index), now) for index in free}
    ready = [index for index in free if not pauses[index]]
    held_up = [pause_s for pause_s in pauses.values() if pause_s]
    return [_successor(job, index, facts.predecessors.get(index)) for index in ready], min(held_up, default=None)


def _pause_s(predecessor: JsonObject | None, now: datetime) -> float:
    if predecessor is None:
        return 0.0
    tries = failures_before(predecessor) + ignored_before(predecessor) + 1
    return Failures().after([], [predecessor])._replace(number=tries).pause_s(now)


def _successor(job: JsonObject, index: int, predecessor: JsonObject | None) -> NewPod:
    if predecessor is None:
        return NewPod(index)
    is_ignored = verdict(job, predecessor).action == "Ignore"
    failures, ignored = failures_before(predecessor), ignored_before(predecessor)
    return NewPod(index, failures + (not is_ignored), ignored + is_ignored)
