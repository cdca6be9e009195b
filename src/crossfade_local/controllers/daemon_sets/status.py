"""A DaemonSet's status from its places and pods; pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.daemon_sets.plan import Place, first_of, hash_of, is_available, min_ready_s
from crossfade_local.controllers.objects import is_being_deleted
from crossfade_local.controllers.pods import available_in_s, is_ready


def counted(
    daemon_set: JsonObject,
    places: Iterable[Place],
    pods: Mapping[str, list[JsonObject]],
    *,
    update_hash: str,
    collisions: int,
    now: datetime,
) -> JsonObject:
    """Counts of zero are left out where the API's types do so."""
    desired = current = misplaced = ready = available = updated = 0
    for one in places:
        pod = first_of(pods.get(one.node, ()))
        if not one.should_run:
            misplaced += pod is not None
            continue
        desired += 1
        if pod is None:
            continue
        current += 1
        ready += is_ready(pod)
        available += is_available(daemon_set, pod, now)
        updated += hash_of(pod) == update_hash
    optional = {
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
        "numberUnavailable": desired - available,
        "collisionCount": collisions,
    }
    known = daemon_set.get("status") or {}
    return {
        "currentNumberScheduled": current,
        "desiredNumberScheduled": desired,
        "numberMisscheduled": misplaced,
        "numberReady": ready,
        "observedGeneration": daemon_set["metadata"].get("generation", 0),
        **{name: count for name, count in optional.items() if count},
        **({"conditions": known["conditions"]} if known.get("conditions") else {}),
    }


def next_look_s(daemon_set: JsonObject, pods: Iterable[JsonObject], now: datetime) -> float | None:
    """When the next pod will have been ready for minReadySeconds."""
    waits = [available_in_s(pod, min_ready_s(daemon_set), now) for pod in pods if not is_being_deleted(pod)]
    return min((wait for wait in waits if wait), default=None)
