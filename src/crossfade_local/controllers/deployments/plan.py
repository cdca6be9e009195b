"""How many replicas each ReplicaSet of a Deployment should have next; pure arithmetic, as Kubernetes does it.

Never more pods than `replicas + maxSurge`, never fewer available than `replicas - maxUnavailable`.
"""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.deployments.revisions import DESIRED_REPLICAS, MAX_REPLICAS, by_age
from crossfade_local.controllers.objects import is_being_deleted, name_of

_DEFAULT_BOUND: Final = "25%"


class Bounds(NamedTuple):
    """In pods."""

    surge: int
    unavailable: int


class Scaling(NamedTuple):
    """Set this ReplicaSet to that size."""

    replica_set: JsonObject
    replicas: int


def desired_of(deployment: JsonObject) -> int:
    replicas = deployment["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def is_rolling(deployment: JsonObject) -> bool:
    return bool((deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")


def bounds_of(deployment: JsonObject) -> Bounds:
    """Percentages of a surge round up, of unavailability down; as zeroes would block, one pod may then be missing."""
    if not is_rolling(deployment):
        return Bounds(0, 0)
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    desired = desired_of(deployment)
    surge = _pods(rolling.get("maxSurge", _DEFAULT_BOUND), desired, rounds_up=True)
    unavailable = _pods(rolling.get("maxUnavailable", _DEFAULT_BOUND), desired, rounds_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(surge, min(unavailable, desired))


def size_of(replica_set: JsonObject) -> int:
    replicas = replica_set["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def available_of(replica_set: JsonObject) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas") or 0)


def total(replica_sets: Iterable[JsonObject | None]) -> int:
    return sum(size_of(item) for item in replica_sets if item is not None)


def new_set_size(deployment: JsonObject, new: JsonObject | None, old: list[JsonObject]) -> int:
    """What the current ReplicaSet may grow to now."""
    desired, present = desired_of(deployment), size_of(new) if new is not None else 0
    if not is_rolling(deployment) or present >= desired:
        return desired
    room = desired + bounds_of(deployment).surge - total([new, *old])
    return present + max(0, min(room, desired - present))


def old_sets_shrinking(deployment: JsonObject, new: JsonObject, old: list[JsonObject]) -> list[Scaling]:
    """How a rolling update takes pods from old ReplicaSets: first those that are not available anyway."""
    if total(old) == 0:
        return []
    min_available = desired_of(deployment) - bounds_of(deployment).unavailable
    new_unavailable = size_of(new) - available_of(new)
    to_go = total([new, *old]) - min_available - new_unavailable
    if to_go <= 0:
        return []
    sizes = {name_of(item): size_of(item) for item in old}
    for item in by_age(old):
        unhealthy = max(0, size_of(item) - available_of(item))
        gone = min(to_go, unhealthy)
        sizes[name_of(item)] -= gone
        to_go -= gone
    spare = sum(available_of(item) for item in [new, *old]) - min_available
    for item in by_age(old):
        gone = max(0, min(spare, sizes[name_of(item)]))
        sizes[name_of(item)] -= gone
        spare -= gone
    return [Scaling(item, sizes[name_of(item)]) for item in old if sizes[name_of(item)] != size_of(item)]


def is_scaling(deployment: JsonObject, replica_sets: list[JsonObject]) -> bool:
    """The number of replicas was changed since the ReplicaSets were last sized for it."""
    desired = str(desired_of(deployment))
    noted = [(item["metadata"].get("annotations") or {}).get(DESIRED_REPLICAS) for item in _active(replica_sets)]
    return any(number is not None and number != desired for number in noted)


def proportional_scaling(deployment: JsonObject, new: JsonObject | None, old: list[JsonObject]) -> list[Scaling]:
    """A change of size, without progress of the rollout: every active ReplicaSet gets its share."""
    everything = [*old, *([new] if new is not None else [])]
    active = _active(everything)
    desired = desired_of(deployment)
    if len(active) <= 1:
        latest = active[0] if active else (new or (by_age(old)[-1] if old else None))
        return [Scaling(latest, desired)] if latest is not None and size_of(latest) != desired else []
    if new is not None and size_of(new) == desired == available_of(new):
        return [Scaling(item, 0) for item in _active(old)]
    if not is_rolling(deployment):
        return []
    return _shares(active, desired, desired + bounds_of(deployment).surge if desired else 0)


def surplus_history(deployment: JsonObject, old: list[JsonObject]) -> list[JsonObject]:
    """Old ReplicaSets beyond revisionHistoryLimit that nothing depends on any more."""
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    kept = [item for item in old if not is_being_deleted(item)]
    surplus = by_age(kept)[: max(0, len(kept) - limit)]
    return [
        item
        for item in surplus
        if size_of(item) == 0 and not (item.get("status") or {}).get("replicas") and _is_observed(item)
    ]


def _shares(active: list[JsonObject], desired: int, allowed: int) -> list[Scaling]:
    """Larger ReplicaSets first; the first takes what rounding leaves over."""
    to_add = allowed - total(active)
    order = sorted(by_age(active), key=size_of, reverse=True)
    sizes, added = {}, 0
    for item in order:
        share = _share(item, desired, allowed)
        left = to_add - added
        share = max(0, min(share, left)) if to_add > 0 else min(0, max(share, left))
        sizes[name_of(item)] = size_of(item) + share
        added += share
    sizes[name_of(order[0])] = max(0, sizes[name_of(order[0])] + to_add - added)
    return [Scaling(item, sizes[name_of(item)]) for item in order]


def _share(replica_set: JsonObject, desired: int, allowed: int) -> int:
    if desired == 0:
        return -size_of(replica_set)
    annotations = replica_set["metadata"].get("annotations") or {}
    former = int(annotations.get(MAX_REPLICAS) or 0) or allowed
    return math.floor(size_of(replica_set) * allowed / former + 0.5) - size_of(replica_set)


def _active(replica_sets: list[JsonObject]) -> list[JsonObject]:
    return [item for item in replica_sets if size_of(item) > 0]


def _is_observed(replica_set: JsonObject) -> bool:
    observed = (replica_set.get("status") or {}).get("observedGeneration") or 0
    return bool(observed >= (replica_set["metadata"].get("generation") or 0))


def _pods(bound: int | str, desired: int, *, rounds_up: bool) -> int:
    if isinstance(bound, int):
        return bound
    share = desired * int(bound.rstrip("%")) / 100
    return math.ceil(share) if rounds_up else math.floor(share)
