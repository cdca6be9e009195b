"""Validation of HorizontalPodAutoscalers (autoscaling/v2)."""

from collections.abc import Callable, Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.resource_names import container_resource_name
from crossfade_local.quantity import QuantityError, parse
from crossfade_local.values.fields import mapping, number, objects, text

_SOURCES: Final = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_TARGETS: Final = ("Utilization", "Value", "AverageValue")
_POSITIVE: Final = "must be greater than zero"
_ZERO: Final = "must specify at least one Object or External metric to support scaling to zero replicas"


def validate_autoscaler(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    low, high = spec.get("minReplicas"), number(spec, "maxReplicas")
    if isinstance(low, int) and low < 1:
        yield invalid("spec.minReplicas", low, "must be greater than or equal to 1")
    if not high:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    elif high < 1:
        yield invalid("spec.maxReplicas", high, "must be greater than or equal to 1")
    if isinstance(low, int) and high < low:
        yield invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")
    yield from _validate_reference("spec.scaleTargetRef", mapping(spec, "scaleTargetRef"))
    metrics = objects(spec, "metrics")
    for index, metric in enumerate(metrics):
        yield from _validate_metric(f"spec.metrics[{index}]", metric)
    if low == 0 and not any(text(metric, "type") in ("Object", "External") for metric in metrics):
        yield forbidden("spec.metrics", _ZERO)
    for name in ("scaleUp", "scaleDown"):
        rules = mapping(spec, "behavior").get(name)
        if isinstance(rules, dict):
            yield from _validate_rules(f"spec.behavior.{name}", rules)


def _validate_reference(field: str, reference: JsonObject) -> Iterator[FieldError]:
    for name in ("kind", "name"):
        value = text(reference, name)
        if value:
            yield from each(f"{field}.{name}", value, names.path_segment_name(value, False))
        else:
            yield required(f"{field}.{name}")
    version = text(reference, "apiVersion")
    if "/" not in version and text(reference, "kind") != "ReplicationController":
        yield invalid(f"{field}.apiVersion", version, "apiVersion must specify API group")


def _validate_metric(field: str, metric: JsonObject) -> Iterator[FieldError]:
    kind = text(metric, "type")
    if not kind:
        yield required(f"{field}.type", "must specify a metric source type")
    if kind not in _SOURCES:
        yield not_supported(f"{field}.type", kind, sorted(_SOURCES))
    present = [name for name in _SOURCES.values() if isinstance(metric.get(name), dict)]
    if present:
        yield from _CHECKS[present[0]](f"{field}.{present[0]}", metric[present[0]])
    expected = _SOURCES.get(kind)
    if expected and expected not in present:
        yield required(f"{field}.{expected}", "must populate information for the given metric source")
    if len(present) != 1:
        for name in present:
            if name != expected:
                yield forbidden(f"{field}.{name}", "must populate the given metric source only")


def _validate_target(field: str, target: JsonObject) -> Iterator[FieldError]:
    kind = text(target, "type")
    if not kind:
        yield required(f"{field}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        yield invalid(f"{field}.type", kind, "must be either Utilization, Value, or AverageValue")
    for name in ("value", "averageValue"):
        if target.get(name) is not None and not _is_positive(target[name]):
            yield invalid(f"{field}.{name}", target[name], "must be positive")
    share = target.get("averageUtilization")
    if isinstance(share, int) and share < 1:
        yield invalid(f"{field}.averageUtilization", share, "must be greater than 0")


def _is_positive(amount: object) -> bool:
    try:
        return parse(amount) > 0
    except QuantityError:
        return False


def _validate_identifier(field: str, metric: JsonObject) -> Iterator[FieldError]:
    name = text(metric, "name")
    if name:
        yield from each(f"{field}.name", name, names.path_segment_name(name, False))
    else:
        yield required(f"{field}.name", "must specify a metric name")


def _resource(field: str, source: JsonObject) -> Iterator[FieldError]:
    if not text(source, "name"):
        yield required(f"{field}.name", "must specify a resource name")
    target = mapping(source, "target")
    yield from _validate_target(f"{field}.target", target)
    share, value = target.get("averageUtilization"), target.get("averageValue")
    if share is None and value is None:
        said = "must set either a target raw value or a target utilization"
        yield required(f"{field}.target.averageUtilization", said)
    if share is not None and value is not None:
        said = "may not set both a target raw value and a target utilization"
        yield forbidden(f"{field}.target.averageValue", said)


def _container_resource(field: str, source: JsonObject) -> Iterator[FieldError]:
    if not text(source, "name"):
        yield required(f"{field}.name", "must specify a resource name")
    else:
        yield from container_resource_name(f"{field}.name", text(source, "name"))
    container = text(source, "container")
    if container:
        yield from each(f"{field}.container", container, names.dns_label(container))
    else:
        yield required(f"{field}.container", "must specify a container")
    yield from (error for error in _resource(field, source) if not error.field.endswith(f"{field}.name"))


def _pods(field: str, source: JsonObject) -> Iterator[FieldError]:
    yield from _validate_identifier(f"{field}.metric", mapping(source, "metric"))
    target = mapping(source, "target")
    yield from _validate_target(f"{field}.target", target)
    if target.get("averageValue") is None:
        yield required(f"{field}.target.averageValue", "must specify a positive target averageValue")


def _object(field: str, source: JsonObject) -> Iterator[FieldError]:
    described = mapping(source, "describedObject")
    for error in _validate_reference(f"{field}.describedObject", described):
        if not error.field.endswith(".apiVersion"):
            yield error
    yield from _validate_identifier(f"{field}.metric", mapping(source, "metric"))
    target = mapping(source, "target")
    yield from _validate_target(f"{field}.target", target)
    if target.get("value") is None and target.get("averageValue") is None:
        yield required(f"{field}.target.averageValue", "must set either a target value or averageValue")


def _external(field: str, source: JsonObject) -> Iterator[FieldError]:
    yield from _validate_identifier(f"{field}.metric", mapping(source, "metric"))
    target = mapping(source, "target")
    yield from _validate_target(f"{field}.target", target)
    value, average = target.get("value"), target.get("averageValue")
    if value is None and average is None:
        said = "must set either a target value for metric or a per-pod target"
        yield required(f"{field}.target.averageValue", said)
    if value is not None and average is not None:
        said = "may not set both a target value for metric and a per-pod target"
        yield forbidden(f"{field}.target.value", said)


_CHECKS: Final[dict[str, Callable[[str, JsonObject], Iterator[FieldError]]]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
}


def _validate_rules(field: str, rules: JsonObject) -> Iterator[FieldError]:
    window = rules.get("stabilizationWindowSeconds")
    if isinstance(window, int) and window < 0:
        said = "must be greater than or equal to zero"
        yield invalid(f"{field}.stabilizationWindowSeconds", window, said)
    if isinstance(window, int) and window > 3600:
        yield invalid(f"{field}.stabilizationWindowSeconds", window, "must be less than or equal to 3600")
    choice = rules.get("selectPolicy")
    if choice is not None and choice not in ("Disabled", "Max", "Min"):
        yield not_supported(f"{field}.selectPolicy", choice, ("Disabled", "Max", "Min"))
    policies = objects(rules, "policies")
    if not policies:
        yield required(f"{field}.policies", "must specify at least one Policy")
    for index, policy in enumerate(policies):
        place, period = f"{field}.policies[{index}]", number(policy, "periodSeconds")
        if text(policy, "type") not in ("Percent", "Pods"):
            yield not_supported(f"{place}.type", text(policy, "type"), ("Percent", "Pods"))
        if number(policy, "value") <= 0:
            yield invalid(f"{place}.value", number(policy, "value"), _POSITIVE)
        if period <= 0:
            yield invalid(f"{place}.periodSeconds", period, _POSITIVE)
        if period > 1800:
            yield invalid(f"{place}.periodSeconds", period, "must be less than or equal to 1800")
