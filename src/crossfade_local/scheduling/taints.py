"""Taints of nodes and the tolerations of pods."""

from collections.abc import Iterable
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.values.fields import number, objects, text

UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
NO_SCHEDULE: Final = "NoSchedule"
NO_EXECUTE: Final = "NoExecute"


def tolerates(toleration: JsonObject, taint: JsonObject) -> bool:
    effect, key = text(toleration, "effect"), text(toleration, "key")
    if effect and effect != text(taint, "effect"):
        return False
    if key and key != text(taint, "key"):
        return False
    if text(toleration, "operator") == "Exists":
        return True
    return bool(key) and text(toleration, "value") == text(taint, "value")


def untolerated(spec: JsonObject, taints: Iterable[JsonObject], effects: tuple[str, ...]) -> JsonObject | None:
    """The first taint of such an effect that the pod does not tolerate."""
    tolerations = objects(spec, "tolerations")
    for taint in taints:
        if text(taint, "effect") in effects and not any(tolerates(one, taint) for one in tolerations):
            return taint
    return None


def stays_s(spec: JsonObject, taints: Iterable[JsonObject]) -> float | None:
    """How long a pod may stay on a node with these taints: 0 without toleration, None for ever."""
    shortest: float | None = None
    for taint in taints:
        if text(taint, "effect") != NO_EXECUTE:
            continue
        fitting = [one for one in objects(spec, "tolerations") if tolerates(one, taint)]
        if not fitting:
            return 0.0
        limited = [max(0, number(one, "tolerationSeconds")) for one in fitting if "tolerationSeconds" in one]
        if limited:
            shortest = float(min(limited)) if shortest is None else min(shortest, float(min(limited)))
    return shortest
