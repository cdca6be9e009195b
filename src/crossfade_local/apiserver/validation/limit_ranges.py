"""Validation of LimitRanges: their names, and that their amounts can be kept together."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, duplicate, each, forbidden, invalid, required
from crossfade_local.apiserver.validation.quantities import shown
from crossfade_local.apiserver.validation.resource_names import (
    container_resource_name,
    may_be_overcommitted,
    resource_name,
)
from crossfade_local.pod_resources import amount
from crossfade_local.values.fields import mapping, objects, text

_TYPES: Final = ("Container", "PersistentVolumeClaim", "Pod")
_DEFAULTS: Final = ("default", "defaultRequest")


class _Order(NamedTuple):
    """What may not be greater than what, and the field and the value that are reported."""

    low: str
    high: str
    low_word: str
    high_word: str
    field: str
    shown: str


_ORDERS: Final = (
    _Order("min", "max", "min", "max", "min", "min"),
    _Order("min", "defaultRequest", "min", "default request", "defaultRequest", "defaultRequest"),
    _Order("defaultRequest", "max", "default request", "max", "defaultRequest", "defaultRequest"),
    _Order("defaultRequest", "default", "default request", "default limit", "defaultRequest", "defaultRequest"),
    _Order("min", "default", "min", "default", "default", "min"),
    _Order("default", "max", "default", "max", "default", "max"),
)


def validate_limit_range(obj: JsonObject) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, item in enumerate(objects(obj, "spec", "limits")):
        field, kind = f"spec.limits[{index}]", text(item, "type")
        yield from _validate_type(f"{field}.type", kind)
        if kind in taken:
            yield duplicate(f"{field}.type", kind)
        taken.add(kind)
        yield from _validate_item(field, item, kind)


def _validate_type(field: str, kind: str) -> Iterator[FieldError]:
    if problems := names.qualified_name(kind):
        yield from each(field, kind, problems)
    elif "/" not in kind and kind not in _TYPES:
        yield invalid(field, kind, "must be a standard limit type or fully qualified")


def _validate_item(field: str, item: JsonObject, kind: str) -> Iterator[FieldError]:
    yield from _validate_names(f"{field}.max", mapping(item, "max"), kind)
    yield from _validate_names(f"{field}.min", mapping(item, "min"), kind)
    for name in _DEFAULTS:
        if kind != "Pod":
            yield from _validate_names(f"{field}.{name}", mapping(item, name), kind)
        elif mapping(item, name):
            yield forbidden(f"{field}.{name}", "may not be specified when `type` is 'Pod'")
    if kind == "PersistentVolumeClaim" and not any("storage" in mapping(item, name) for name in ("max", "min")):
        said = "either minimum or maximum storage value is required, but neither was provided"
        yield required(f"{field}.limits", said)
    yield from _validate_names(f"{field}.maxLimitRequestRatio", mapping(item, "maxLimitRequestRatio"), kind)
    compared = ("max", "min", "maxLimitRequestRatio", *(_DEFAULTS if kind != "Pod" else ()))
    amounts = {name: mapping(item, name) for name in compared}
    for resource in sorted({resource for values in amounts.values() for resource in values}):
        given = {name: values[resource] for name, values in amounts.items() if resource in values}
        yield from _validate_amounts(field, resource, given)


def _validate_names(field: str, values: JsonObject, kind: str) -> Iterator[FieldError]:
    check = container_resource_name if kind in ("Container", "Pod") else resource_name
    for name in sorted(values):
        yield from check(f"{field}[{name}]", name)


def _validate_amounts(field: str, resource: str, given: dict[str, Any]) -> Iterator[FieldError]:
    """Of one resource: `given` has what each field says of it."""
    told = {name: shown(value) for name, value in given.items()}
    for order in _ORDERS:
        if order.low in given and order.high in given and amount(given[order.low]) > amount(given[order.high]):
            low, high = f"{order.low_word} value {told[order.low]}", f"{order.high_word} value {told[order.high]}"
            yield invalid(f"{field}.{order.field}[{resource}]", told[order.shown], f"{low} is greater than {high}")
    if "maxLimitRequestRatio" in given:
        yield from _validate_ratio(f"{field}.maxLimitRequestRatio[{resource}]", given)
    if not may_be_overcommitted(resource) and all(name in given for name in _DEFAULTS):
        limit, request = (told[name] for name in _DEFAULTS)
        if amount(limit) != amount(request):
            said = f"default value {limit} must equal to defaultRequest value {request} in {resource}"
            yield invalid(f"{field}.defaultRequest[{resource}]", request, said)


def _validate_ratio(field: str, given: dict[str, Any]) -> Iterator[FieldError]:
    ratio, told = amount(given["maxLimitRequestRatio"]), shown(given["maxLimitRequestRatio"])
    if ratio < 1:
        yield invalid(field, told, f"ratio {told} is less than 1")
    if "min" not in given or "max" not in given or not amount(given["min"]):
        return
    most = amount(given["max"]) / amount(given["min"])
    if ratio > most:
        yield invalid(field, told, f"ratio {told} is greater than max/min = {float(most):f}")
