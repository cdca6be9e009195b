"""Which nodes a pod may be on: node selector, required node affinity, taints; pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from crossfade_kube.meta import JsonObject

NO_SCHEDULE: Final = "NoSchedule"
NO_EXECUTE: Final = "NoExecute"
REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def node_matches(spec: JsonObject, labels: Mapping[str, str], name: str) -> bool:
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED)
    if not required:
        return True
    return any(_term_matches(term, labels, name) for term in required.get("nodeSelectorTerms") or ())


def untolerated(spec: JsonObject, taints: Iterable[JsonObject], effects: tuple[str, ...]) -> JsonObject | None:
    """The first taint of such an effect that the pod does not tolerate."""
    tolerations = spec.get("tolerations") or ()
    for taint in taints:
        if taint.get("effect") in effects and not any(_tolerates(one, taint) for one in tolerations):
            return taint
    return None


def _term_matches(term: JsonObject, labels: Mapping[str, str], name: str) -> bool:
    """A term that says nothing matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    here = {"metadata.name": name}
    return all(_holds(one, labels) for one in expressions) and all(_holds(one, here) for one in fields)


def _holds(requirement: JsonObject, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(requirement["key"]), requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _is_above(value, values)
        case _:
            return _is_above(values[0] if values else None, [value])


def _is_above(value: Any, values: list[Any]) -> bool:
    try:
        return len(values) == 1 and int(value) > int(values[0])
    except (TypeError, ValueError):
        return False


def _tolerates(toleration: JsonObject, taint: JsonObject) -> bool:
    effect, key = toleration.get("effect") or "", toleration.get("key") or ""
    if effect not in ("", taint.get("effect")) or key not in ("", taint.get("key")):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(key) and (toleration.get("value") or "") == (taint.get("value") or "")
