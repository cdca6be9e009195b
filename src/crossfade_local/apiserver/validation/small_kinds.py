"""Validation of kinds with few rules: Lease, PodDisruptionBudget, ServiceAccount, PriorityClass, and the like."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    IMMUTABLE,
    FieldError,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.metadata import NOT_QUALIFIED, immutable
from crossfade_local.apiserver.validation.shapes import (
    NEGATIVE,
    at_most_everything,
    count_or_percent,
    label_selector,
    not_negative,
)
from crossfade_local.apiserver.values.gotext import GoStruct
from crossfade_local.values.fields import at, mapping, number, text

_PREEMPTION: Final = ("PreemptLowerPriority", "Never")


def validate_lease(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if isinstance(seconds, int) and seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if isinstance(transitions, int) and transitions < 0:
        yield invalid("spec.leaseTransitions", transitions, NEGATIVE)


def validate_disruption_budget(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    if low is not None and high is not None:
        shown = GoStruct(
            MinAvailable=low,
            Selector=spec.get("selector"),
            MaxUnavailable=high,
            UnhealthyPodEvictionPolicy=spec.get("unhealthyPodEvictionPolicy"),
        )
        yield invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for name, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            yield from count_or_percent(f"spec.{name}", value)
            yield from at_most_everything(f"spec.{name}", value)
    yield from label_selector("spec.selector", spec.get("selector"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in ("AlwaysAllow", "IfHealthyBudget"):
        yield not_supported("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget"))


def validate_namespace(obj: JsonObject) -> Iterator[FieldError]:
    for name in at(obj, "spec", "finalizers") or ():
        if name != "kubernetes":
            yield from each("spec.finalizers", name, names.qualified_name(str(name)))
            if "/" not in str(name):
                yield invalid("spec.finalizers", name, NOT_QUALIFIED)


def validate_revision(obj: JsonObject) -> Iterator[FieldError]:
    if obj.get("data") is None:
        yield required("data", "data is mandatory")
    elif not isinstance(obj["data"], dict):
        yield required("data", "data must be a valid JSON object")
    yield from validate_revision_number(obj)


def validate_revision_number(obj: JsonObject) -> Iterator[FieldError]:
    yield from not_negative("revision", obj.get("revision"))


def validate_revision_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    if new.get("data") != old.get("data"):
        yield invalid("data", new.get("data"), IMMUTABLE)


def validate_priority_class(obj: JsonObject) -> Iterator[FieldError]:
    name, value = text(obj, "metadata", "name"), number(obj, "value")
    if name.startswith("system-"):
        said = "priority class names with 'system-' prefix are reserved for system use only. error: "
        if name not in ("system-node-critical", "system-cluster-critical"):
            yield forbidden("metadata.name", f"{said}{name} is not a known system priority class")
    elif value > 1_000_000_000:
        said = "maximum allowed value of a user defined priority is 1000000000"
        yield forbidden("value", said)


def validate_new_priority_class(obj: JsonObject) -> Iterator[FieldError]:
    yield from validate_priority_class(obj)
    policy = obj.get("preemptionPolicy")
    if policy == "":
        yield required("preemptionPolicy")
    elif policy not in (None, *_PREEMPTION):
        yield not_supported("preemptionPolicy", policy, _PREEMPTION)


def validate_priority_class_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    if number(new, "value") != number(old, "value"):
        yield forbidden("value", "may not be changed in an update.")
    yield from immutable("preemptionPolicy", text(new, "preemptionPolicy"), text(old, "preemptionPolicy"))
