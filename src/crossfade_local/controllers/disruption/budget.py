"""What a PodDisruptionBudget allows, counted from its pods as Kubernetes counts; pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import condition_of, is_being_deleted, name_of, parsed_time, stamp
from crossfade_local.controllers.pods import is_ready

DISRUPTION_ALLOWED: Final = "DisruptionAllowed"
CONFIRM_S: Final = 120.0
"""Within which an eviction that was granted has to show as a pod being deleted."""


class Wanted(NamedTuple):
    expected: int
    healthy: int


class Evicted(NamedTuple):
    """`pending` were granted and do not show yet; `forgotten` took too long; look again in `again_s`."""

    pending: dict[str, str]
    forgotten: tuple[str, ...]
    again_s: float | None


def needs_scale(spec: JsonObject) -> bool:
    """Whether what the pods' controllers ask for counts, not the pods that there are."""
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def wanted(spec: JsonObject, *, pods: int, scale: int) -> Wanted:
    """`scale` is the sum of replicas that the pods' controllers ask for."""
    if (unavailable := spec.get("maxUnavailable")) is not None:
        return Wanted(scale, max(scale - _scaled(unavailable, scale), 0))
    available = spec.get("minAvailable")
    if isinstance(available, str):
        return Wanted(scale, _scaled(available, scale))
    return Wanted(pods, int(available or 0)) if available is not None else Wanted(0, 0)


def _scaled(value: Any, total: int) -> int:
    """Percentages round up."""
    if not isinstance(value, str):
        return int(value)
    return ceil(total * int(value.removesuffix("%")) / 100)


def evicted(disrupted: Mapping[str, str], pods: Iterable[JsonObject], now: datetime) -> Evicted:
    there = {name_of(pod): pod for pod in pods}
    pending: dict[str, str] = {}
    forgotten: list[str] = []
    waits: list[float] = []
    for name, since in disrupted.items():
        pod = there.get(name)
        if pod is None or is_being_deleted(pod):
            continue
        left_s = ((parsed_time(since) or now) + timedelta(seconds=CONFIRM_S) - now).total_seconds()
        if left_s > 0:
            pending[name] = since
            waits.append(left_s)
        else:
            forgotten.append(name)
    return Evicted(pending, tuple(forgotten), min(waits, default=None))


def healthy(pods: Iterable[JsonObject], pending: Mapping[str, str]) -> int:
    return sum(
        is_ready(pod) and not is_being_deleted(pod) and name_of(pod) not in pending and _runs(pod) for pod in pods
    )


def _runs(pod: JsonObject) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def budget_status(
    budget: JsonObject, wanted: Wanted, current: int, pending: Mapping[str, str], now: datetime
) -> JsonObject:
    allowed = max(current - wanted.healthy, 0) if wanted.expected > 0 else 0
    generation = budget["metadata"].get("generation", 0)
    status: JsonObject = {
        "disruptionsAllowed": allowed,
        "currentHealthy": current,
        "desiredHealthy": wanted.healthy,
        "expectedPods": wanted.expected,
        "observedGeneration": generation,
    }
    if pending:
        status["disruptedPods"] = dict(pending)
    reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    return {**status, "conditions": _conditions(budget, *reason, "", now, generation=generation)}


def failed_status(budget: JsonObject, message: str, now: datetime) -> JsonObject:
    """Fails closed: nothing may be evicted while it cannot be counted."""
    former = budget.get("status") or {}
    conditions = _conditions(budget, "False", "SyncFailed", message, now, generation=former.get("observedGeneration"))
    zero = {"currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    return {**zero, **former, "disruptionsAllowed": 0, "conditions": conditions}


def _conditions(
    budget: JsonObject, truth: str, reason: str, message: str, now: datetime, *, generation: int | None
) -> list[JsonObject]:
    """`generation` is the observed one, if any is."""
    former = budget.get("status") or {}
    known = condition_of(former, DISRUPTION_ALLOWED)
    since = known["lastTransitionTime"] if known and known["status"] == truth else stamp(now)
    condition = {
        "type": DISRUPTION_ALLOWED,
        "status": truth,
        **({"observedGeneration": generation} if generation else {}),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
    others = [one for one in former.get("conditions") or () if one["type"] != DISRUPTION_ALLOWED]
    return [*others, condition]
