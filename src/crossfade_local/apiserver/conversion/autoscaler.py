"""HorizontalPodAutoscaler between autoscaling/v2, where it is stored, and v1 with its single CPU target.

What v1 can't express travels in annotations, so that a round trip loses nothing.
"""

import json
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.values.gotext import to_json
from crossfade_local.values.fields import mapping, objects, text

_PREFIX: Final = "autoscaling.alpha.kubernetes.io/"
_METRICS, _BEHAVIOR, _CONDITIONS, _CURRENT = (
    _PREFIX + name for name in ("metrics", "behavior", "conditions", "current-metrics")
)
_TARGET: Final = "targetCPUUtilizationPercentage"
_SEEN: Final = "currentCPUUtilizationPercentage"


def autoscaler_v2_from_v1(obj: JsonObject) -> JsonObject:
    annotations = dict(mapping(obj, "metadata", "annotations"))
    spec, status = dict(mapping(obj, "spec")), dict(mapping(obj, "status"))
    metrics = _load(annotations.pop(_METRICS, None)) or []
    share = spec.pop(_TARGET, None)
    if share is not None:
        metrics = [_cpu({"target": {"type": "Utilization", "averageUtilization": share}}), *metrics]
    if metrics:
        spec["metrics"] = metrics
    if behavior := _load(annotations.pop(_BEHAVIOR, None)):
        spec["behavior"] = behavior
    current = _load(annotations.pop(_CURRENT, None)) or []
    seen = status.pop(_SEEN, None)
    if seen is not None:
        current = [_cpu({"current": {"averageUtilization": seen}}), *current]
    if current:
        status["currentMetrics"] = current
    if conditions := _load(annotations.pop(_CONDITIONS, None)):
        status["conditions"] = conditions
    return _assembled(obj, "autoscaling/v2", annotations, spec, status)


def autoscaler_v1_from_v2(obj: JsonObject) -> JsonObject:
    annotations = dict(mapping(obj, "metadata", "annotations"))
    spec, status = dict(mapping(obj, "spec")), dict(mapping(obj, "status"))
    spec.pop("metrics", None)
    others = []
    for metric in objects(obj, "spec", "metrics"):
        share = mapping(metric, "resource", "target").get("averageUtilization")
        if share is not None and _is_cpu(metric):
            spec[_TARGET] = share
        else:
            others.append(metric)
    status.pop("currentMetrics", None)
    unseen = []
    for metric in objects(obj, "status", "currentMetrics"):
        seen = mapping(metric, "resource", "current").get("averageUtilization")
        if seen is not None and _is_cpu(metric):
            status[_SEEN] = seen
        else:
            unseen.append(metric)
    _save(annotations, _METRICS, others)
    _save(annotations, _BEHAVIOR, spec.pop("behavior", None))
    _save(annotations, _CURRENT, unseen)
    _save(annotations, _CONDITIONS, status.pop("conditions", None))
    return _assembled(obj, "autoscaling/v1", annotations, spec, status)


def _cpu(fields: JsonObject) -> JsonObject:
    return {"type": "Resource", "resource": {"name": "cpu", **fields}}


def _is_cpu(metric: JsonObject) -> bool:
    return text(metric, "type") == "Resource" and text(metric, "resource", "name") == "cpu"


def _load(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _save(annotations: JsonObject, name: str, value: Any) -> None:
    if value:
        annotations[name] = to_json(value)


def _assembled(
    obj: JsonObject, api_version: str, annotations: JsonObject, spec: JsonObject, status: JsonObject
) -> JsonObject:
    metadata = {name: value for name, value in mapping(obj, "metadata").items() if name != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    result = {**obj, "apiVersion": api_version, "metadata": metadata, "spec": spec}
    if "status" in obj:
        result["status"] = status
    return result
