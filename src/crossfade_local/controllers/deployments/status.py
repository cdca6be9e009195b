"""A Deployment's status and conditions from its ReplicaSets; pure, with Kubernetes' reasons and messages."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.deployments.plan import available_of, bounds_of, desired_of, total
from crossfade_local.controllers.objects import (
    condition_of,
    name_of,
    parsed_time,
    stamp,
    with_condition,
    without_condition,
)

NEW_SET_AVAILABLE: Final = "NewReplicaSetAvailable"
TIMED_OUT: Final = "ProgressDeadlineExceeded"
PAUSED: Final = "DeploymentPaused"
RESUMED: Final = "DeploymentResumed"
# What the API stands for "no deadline".
NO_DEADLINE: Final = 2**31 - 1


def condition(kind: str, status: str, reason: str, message: str, *, now: datetime) -> JsonObject:
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": stamp(now),
        "lastTransitionTime": stamp(now),
        "reason": reason,
        "message": message,
    }


def deadline_s_of(deployment: JsonObject) -> int | None:
    """None: a rollout may take for ever."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    return None if deadline is None or deadline == NO_DEADLINE else int(deadline)


def counted(deployment: JsonObject, new: JsonObject | None, old: list[JsonObject], *, now: datetime) -> JsonObject:
    """Counts and the Available condition; the other conditions as they were. Counts of zero are left out."""
    everything = [item for item in [*old, new] if item is not None]
    before = deployment.get("status") or {}
    available = sum(map(available_of, everything))
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": _sum(everything, "replicas"),
        "updatedReplicas": _sum([new], "replicas"),
        "readyReplicas": _sum(everything, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total(everything) - available),
        "collisionCount": before.get("collisionCount") or 0,
    }
    if available >= desired_of(deployment) - bounds_of(deployment).unavailable:
        found = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        found = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    conditions = list(before.get("conditions") or ())
    return {
        **{key: value for key, value in counts.items() if value},
        "terminatingReplicas": _sum(everything, "terminatingReplicas"),
        "conditions": with_condition(conditions, condition("Available", *found, now=now)),
    }


def is_complete(deployment: JsonObject, status: JsonObject) -> bool:
    """All pods are of the present template and available."""
    wanted = desired_of(deployment)
    return all(
        _number(status, key) == wanted for key in ("updatedReplicas", "replicas", "availableReplicas")
    ) and _number(status, "observedGeneration") >= deployment["metadata"].get("generation", 0)


def with_progress(deployment: JsonObject, status: JsonObject, new: JsonObject | None, *, now: datetime) -> JsonObject:
    """The status with its Progressing condition brought up to date."""
    conditions = status["conditions"]
    if deadline_s_of(deployment) is None:
        return {**status, "conditions": without_condition(conditions, "Progressing")}
    known = condition_of(status, "Progressing")
    settled = known is not None and known["reason"] == NEW_SET_AVAILABLE
    if settled and _number(status, "replicas") == _number(status, "updatedReplicas"):
        return status
    subject = f'ReplicaSet "{name_of(new)}"' if new is not None else f'Deployment "{name_of(deployment)}"'
    if is_complete(deployment, status):
        text = f"{subject} has successfully progressed."
        return _set(status, condition("Progressing", "True", NEW_SET_AVAILABLE, text, now=now))
    if _has_progressed(deployment.get("status") or {}, status):
        fresh = condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now=now)
        if known is not None and known["status"] == "True":
            fresh["lastTransitionTime"] = known["lastTransitionTime"]
        # Put anew even with the same reason: the update time is what the deadline counts from.
        return {**status, "conditions": [*without_condition(conditions, "Progressing"), fresh]}
    if has_timed_out(deployment, status, now=now):
        text = f"{subject} has timed out progressing."
        return _set(status, condition("Progressing", "False", TIMED_OUT, text, now=now))
    return status


def with_failures(status: JsonObject, replica_sets: Iterable[JsonObject | None]) -> JsonObject:
    """Shows a ReplicaFailure of any ReplicaSet on the Deployment."""
    for item in replica_sets:
        failure = condition_of((item or {}).get("status") or {}, "ReplicaFailure")
        if failure is not None:
            shown = {**failure, "lastUpdateTime": failure["lastTransitionTime"]}
            return _set(status, shown)
    return {**status, "conditions": without_condition(status["conditions"], "ReplicaFailure")}


def has_timed_out(deployment: JsonObject, status: JsonObject, *, now: datetime) -> bool:
    left_s = seconds_to_deadline(deployment, status, now=now)
    return left_s is not None and left_s <= 0


def seconds_to_deadline(deployment: JsonObject, status: JsonObject, *, now: datetime) -> float | None:
    """None: nothing to wait for."""
    deadline_s, known = deadline_s_of(deployment), condition_of(status, "Progressing")
    if deadline_s is None or known is None or known["reason"] in (NEW_SET_AVAILABLE, TIMED_OUT, PAUSED):
        return None
    since = parsed_time(known.get("lastUpdateTime")) or now
    return deadline_s - (now - since).total_seconds()


def pause_condition(deployment: JsonObject, *, now: datetime) -> JsonObject | None:
    """The Progressing condition that pausing or resuming calls for; None when nothing changed."""
    known = condition_of(deployment.get("status") or {}, "Progressing")
    if deadline_s_of(deployment) is None or (known is not None and known["reason"] == TIMED_OUT):
        return None
    is_noted = known is not None and known["reason"] == PAUSED
    if deployment["spec"].get("paused") and not is_noted:
        return condition("Progressing", "Unknown", PAUSED, "Deployment is paused", now=now)
    if not deployment["spec"].get("paused") and is_noted:
        return condition("Progressing", "Unknown", RESUMED, "Deployment is resumed", now=now)
    return None


def _has_progressed(before: JsonObject, after: JsonObject) -> bool:
    def old(status: JsonObject) -> int:
        return _number(status, "replicas") - _number(status, "updatedReplicas")

    grew = any(
        _number(after, key) > _number(before, key) for key in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grew or old(after) < old(before)


def _set(status: JsonObject, new: JsonObject) -> JsonObject:
    return {**status, "conditions": with_condition(status["conditions"], new)}


def _number(status: JsonObject, key: str) -> int:
    return int(status.get(key) or 0)


def _sum(replica_sets: Iterable[JsonObject | None], key: str) -> int:
    return sum(_number((item or {}).get("status") or {}, key) for item in replica_sets)


def same_status(left: JsonObject, right: JsonObject) -> bool:
    """Equal but for zeroes, which this controller leaves out and a server may store."""
    return _shown(left) == _shown(right)


def _shown(status: JsonObject) -> JsonObject:
    return {key: value for key, value in status.items() if value}
