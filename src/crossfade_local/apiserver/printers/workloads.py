"""Rows of the kinds that run pods, and of what scales and protects them."""

from datetime import datetime
from typing import Any

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.printers.columns import (
    NONE,
    UNSET,
    container_cells,
    label_text,
    name_of,
    selector_text,
)
from crossfade_local.apiserver.printers.durations import age, human_duration, parse_time, since
from crossfade_local.values.fields import at, mapping, number, objects, sequence, text

_UNKNOWN = "<unknown>"


def deployment_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    return [
        name_of(obj),
        f"{number(status, 'readyReplicas')}/{number(spec, 'replicas')}",
        number(status, "updatedReplicas"),
        number(status, "availableReplicas"),
        age(obj, now),
        *_template_cells(spec),
    ]


def _template_cells(spec: JsonObject) -> list[str]:
    return [*container_cells(mapping(spec, "template", "spec")), selector_text(spec.get("selector"))]


def replica_set_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    counts = [number(spec, "replicas"), number(status, "replicas"), number(status, "readyReplicas")]
    return [name_of(obj), *counts, age(obj, now), *_template_cells(spec)]


def replication_controller_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    cells = replica_set_cells(obj, now)
    return [*cells[:-1], label_text(mapping(obj, "spec", "selector"))]


def daemon_set_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    names = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    counts = [number(status, name) for name in names]
    nodes = label_text(mapping(spec, "template", "spec", "nodeSelector"))
    return [name_of(obj), *counts, nodes, age(obj, now), *_template_cells(spec)]


def stateful_set_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec = mapping(obj, "spec")
    ready = f"{number(obj, 'status', 'readyReplicas')}/{number(spec, 'replicas')}"
    return [name_of(obj), ready, age(obj, now), *container_cells(mapping(spec, "template", "spec"))]


def job_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    done = number(status, "succeeded")
    completions = f"{done}/{spec['completions']}" if isinstance(spec.get("completions"), int) else f"{done}/1"
    parallelism = number(spec, "parallelism")
    if spec.get("completions") is None and parallelism > 1:
        completions += f" of {parallelism}"
    return [
        name_of(obj),
        _job_status(obj, status),
        completions,
        _job_duration(status, now),
        age(obj, now),
        *_template_cells(spec),
    ]


def _job_status(obj: JsonObject, status: JsonObject) -> str:
    true = {text(item, "type") for item in objects(status, "conditions") if text(item, "status") == "True"}
    for name in ("Complete", "Failed"):
        if name in true:
            return name
    if at(obj, "metadata", "deletionTimestamp"):
        return "Terminating"
    for name in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if name in true:
            return name
    return "Running"


def _job_duration(status: JsonObject, now: datetime) -> str:
    start = parse_time(status.get("startTime"))
    if start is None:
        return ""
    return human_duration(((parse_time(status.get("completionTime")) or now) - start).total_seconds())


def cron_job_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    template = mapping(spec, "jobTemplate", "spec")
    suspended = {True: "True", False: "False"}.get(spec.get("suspend"), UNSET)  # type: ignore[arg-type]  # any JSON
    last = status.get("lastScheduleTime")
    return [
        name_of(obj),
        text(spec, "schedule"),
        text(spec, "timeZone") or NONE,
        suspended,
        len(sequence(status, "active")),
        since(last, now) if last else NONE,
        age(obj, now),
        *_template_cells(template),
    ]


def disruption_budget_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec = mapping(obj, "spec")
    bounds = ["N/A" if spec.get(name) is None else str(spec[name]) for name in ("minAvailable", "maxUnavailable")]
    return [name_of(obj), *bounds, number(obj, "status", "disruptionsAllowed"), age(obj, now)]


def autoscaler_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    target = mapping(spec, "scaleTargetRef")
    low = spec.get("minReplicas")
    return [
        name_of(obj),
        f"{text(target, 'kind')}/{text(target, 'name')}",
        _targets(objects(spec, "metrics"), objects(status, "currentMetrics")),
        UNSET if low is None else str(low),
        number(spec, "maxReplicas"),
        number(status, "currentReplicas"),
        age(obj, now),
    ]


def _targets(metrics: list[JsonObject], current: list[JsonObject]) -> str:
    if not metrics:
        return NONE
    shown = [_target(metric, current[index] if index < len(current) else {}) for index, metric in enumerate(metrics)]
    text_form = ", ".join(shown[:2])
    return f"{text_form} + {len(shown) - 2} more..." if len(shown) > 2 else text_form


def _target(metric: JsonObject, current: JsonObject) -> str:
    kind = text(metric, "type")
    if kind not in ("External", "Pods", "Object", "Resource", "ContainerResource"):
        return "<unknown type>"
    name = kind[0].lower() + kind[1:]
    source, seen = mapping(metric, name), mapping(current, name, "current")
    target = mapping(source, "target")
    if kind in ("Resource", "ContainerResource"):
        return f"{text(source, 'name')}: {_resource_target(target, seen)}"
    if kind == "Pods":
        return f"{seen.get('averageValue', _UNKNOWN)}/{target.get('averageValue', '0')}"
    if target.get("averageValue") is not None:
        return f"{seen.get('averageValue', _UNKNOWN)}/{target['averageValue']} (avg)"
    return f"{seen.get('value', _UNKNOWN)}/{target.get('value')}"


def _resource_target(target: JsonObject, seen: JsonObject) -> str:
    if target.get("averageValue") is not None:
        return f"{seen.get('averageValue', _UNKNOWN)}/{target['averageValue']}"
    current, wanted = seen.get("averageUtilization"), target.get("averageUtilization")
    shown = _UNKNOWN if current is None else f"{current}%"
    return f"{shown}/{'<auto>' if wanted is None else f'{wanted}%'}"


def pod_template_cells(obj: JsonObject, _now: datetime, /) -> list[Any]:
    template = mapping(obj, "template")
    labels = label_text(mapping(template, "metadata", "labels"))
    return [name_of(obj), *container_cells(mapping(template, "spec")), labels]
