"""Defaults of HorizontalPodAutoscalers (autoscaling/v2)."""

from copy import deepcopy
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.defaults.workloads import fill
from crossfade_local.values.fields import sequence

_CPU_TARGET: Final = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
_SCALE_UP: Final[dict[str, Any]] = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_SCALE_DOWN: Final[dict[str, Any]] = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


def default_autoscaler(obj: JsonObject) -> None:
    """Changes the autoscaler; the older version's flat target field is left alone."""
    spec = obj.setdefault("spec", {})
    fill(spec, {"minReplicas": 1})
    if not obj.get("apiVersion", "").endswith("/v1") and not sequence(spec, "metrics"):
        spec["metrics"] = [deepcopy(_CPU_TARGET)]
    behavior = spec.get("behavior")
    if isinstance(behavior, dict):
        for name, rules in (("scaleUp", _SCALE_UP), ("scaleDown", _SCALE_DOWN)):
            fill(behavior, {name: {}})
            fill(behavior[name], deepcopy(rules))
