"""What controllers ask of a pod: does it count, is it ready, which one goes first; all pure."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import condition_of, is_being_deleted, parsed_time

_DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_ORDER: Final = {"Pending": 0, "Unknown": 1, "Running": 2}
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def is_finished(pod: JsonObject) -> bool:
    """Its containers have ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_active(pod: JsonObject) -> bool:
    """Counts as a replica."""
    return not is_finished(pod) and not is_being_deleted(pod)


def is_ready(pod: JsonObject) -> bool:
    condition = condition_of(pod.get("status") or {}, "Ready")
    return condition is not None and condition["status"] == "True"


def available_in_s(pod: JsonObject, min_ready_s: int, now: datetime) -> float | None:
    """0 when the pod is available, else the seconds until it will be if it stays ready; None when it is not ready."""
    condition = condition_of(pod.get("status") or {}, "Ready")
    if condition is None or condition["status"] != "True":
        return None
    ready_since = parsed_time(condition.get("lastTransitionTime")) or _LONG_AGO
    left = ready_since + timedelta(seconds=min_ready_s) - now
    return max(left.total_seconds(), 0.0) if min_ready_s else 0.0


def deletion_order(pod: JsonObject, pods_on_node: int) -> tuple[Any, ...]:
    """Sort key: of a ReplicaSet's pods the ones that sort first are deleted first, as Kubernetes does it.

    Unassigned, pending, not ready, cheap, on a crowded node, ready for a short time, restarted often, young.
    """
    status = pod.get("status") or {}
    ready = condition_of(status, "Ready") if is_ready(pod) else None
    ready_since = parsed_time(ready.get("lastTransitionTime")) if ready else None
    restarts = max((item.get("restartCount", 0) for item in status.get("containerStatuses") or ()), default=0)
    created = parsed_time(pod["metadata"].get("creationTimestamp")) or _LONG_AGO
    return (
        bool((pod.get("spec") or {}).get("nodeName")),
        _PHASE_ORDER.get(status.get("phase", "Pending"), 0),
        ready is not None,
        _deletion_cost(pod),
        -pods_on_node,
        -(ready_since or _LONG_AGO).timestamp(),
        -restarts,
        -created.timestamp(),
    )


def _deletion_cost(pod: JsonObject) -> int:
    try:
        return int((pod["metadata"].get("annotations") or {}).get(_DELETION_COST, 0))
    except ValueError:
        return 0
