"""A StatefulSet's status from its pods; pure."""

from collections.abc import Collection
from datetime import datetime

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import is_being_deleted
from crossfade_local.controllers.pods import available_in_s, is_ready
from crossfade_local.controllers.stateful_sets.identity import ordinals_of, revision_of
from crossfade_local.controllers.stateful_sets.plan import min_ready_s


def counted(
    stateful_set: JsonObject,
    pods: Collection[JsonObject],
    *,
    current: str,
    update: str,
    collisions: int,
    now: datetime,
) -> JsonObject:
    """`current` and `update` are names of revisions. Counts of zero are left out where the API's types do so."""
    running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
    staying = [pod for pod in pods if not is_being_deleted(pod)]
    ready = sum(map(is_ready, running))
    available = sum(available_in_s(pod, min_ready_s(stateful_set), now) == 0 for pod in running)
    updated = sum(revision_of(pod) == update for pod in staying)
    if _is_updated(stateful_set, total=len(pods), updated=updated, ready=ready):
        current = update
    counts = {
        "readyReplicas": ready,
        "currentReplicas": sum(revision_of(pod) == current for pod in staying),
        "updatedReplicas": updated,
    }
    known = stateful_set.get("status") or {}
    return {
        "observedGeneration": stateful_set["metadata"].get("generation", 0),
        "replicas": len(pods),
        "availableReplicas": available,
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": collisions,
        **{name: count for name, count in counts.items() if count},
        **({"conditions": known["conditions"]} if known.get("conditions") else {}),
    }


def next_look_s(stateful_set: JsonObject, pods: Collection[JsonObject], now: datetime) -> float | None:
    """When the next pod will have been ready for minReadySeconds."""
    waits = [available_in_s(pod, min_ready_s(stateful_set), now) for pod in pods if not is_being_deleted(pod)]
    return min((wait for wait in waits if wait), default=None)


def _is_updated(stateful_set: JsonObject, *, total: int, updated: int, ready: int) -> bool:
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    wanted = len(ordinals_of(stateful_set))
    return strategy.get("type", "RollingUpdate") == "RollingUpdate" and wanted == total == updated == ready
