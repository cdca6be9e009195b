"""Validation of ResourceQuotas."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.errors import IMMUTABLE, FieldError, invalid, required
from crossfade_local.apiserver.validation.quantities import shown
from crossfade_local.apiserver.validation.resource_names import (
    SCOPES,
    is_counted_whole,
    is_in_scope,
    quota_resource_name,
)
from crossfade_local.apiserver.validation.shapes import NEGATIVE
from crossfade_local.pod_resources import amount
from crossfade_local.values.fields import at, mapping, objects, sequence, text

_OPPOSITES: Final = (frozenset({"BestEffort", "NotBestEffort"}), frozenset({"NotTerminating", "Terminating"}))
_WITH_VALUES: Final = frozenset({"PriorityClass", "VolumeAttributesClass"})
_ONLY_EXISTS: Final = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def validate_quota(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    for name, value in sorted(mapping(spec, "hard").items()):
        place = f"spec.hard[{name}]"
        yield from quota_resource_name(place, name)
        yield from _quantity(place, name, value)
    yield from _validate_scopes(spec)
    if isinstance(spec.get("scopeSelector"), dict):
        yield from _validate_selector(spec)


def validate_quota_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    if set(sequence(new, "spec", "scopes")) != set(sequence(old, "spec", "scopes")):
        yield invalid("spec.scopes", at(new, "spec", "scopes"), IMMUTABLE)


def _quantity(field: str, name: str, value: Any) -> Iterator[FieldError]:
    if amount(value) < 0:
        yield invalid(field, shown(value), NEGATIVE)
    if is_counted_whole(name) and amount(value).denominator != 1:
        yield invalid(field, shown(value), "must be an integer")


def _validate_scopes(spec: JsonObject) -> Iterator[FieldError]:
    field, scopes = "spec.scopes", sequence(spec, "scopes")
    for scope in scopes:
        if scope not in SCOPES:
            yield invalid(field, scopes, "unsupported scope")
        yield from _out_of_scope(field, scopes, scope, spec)
    yield from _conflicts(field, scopes, spec)


def _validate_selector(spec: JsonObject) -> Iterator[FieldError]:
    field, selector = "spec.scopeSelector.matchExpressions", spec["scopeSelector"]
    expressions = objects(selector, "matchExpressions")
    for expression in expressions:
        scope = text(expression, "scopeName")
        if scope not in SCOPES:
            yield invalid(f"{field}.scopeName", scope, "unsupported scope")
        yield from _out_of_scope(field, selector, scope, spec)
        yield from _validate_operator(field, expression)
    yield from _conflicts(field, [text(expression, "scopeName") for expression in expressions], spec)


def _validate_operator(field: str, expression: JsonObject) -> Iterator[FieldError]:
    scope, operator, values = (
        text(expression, "scopeName"),
        text(expression, "operator"),
        sequence(expression, "values"),
    )
    if scope in SCOPES - _WITH_VALUES and operator != "Exists":
        yield invalid(f"{field}.operator", operator, _ONLY_EXISTS)
    if operator in ("In", "NotIn"):
        if not values:
            said = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield required(f"{field}.values", said)
    elif operator in ("DoesNotExist", "Exists"):
        if values:
            said = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"
            yield invalid(f"{field}.values", values, said)
    else:
        yield invalid(f"{field}.operator", operator, "not a valid selector operator")


def _out_of_scope(field: str, shown: Any, scope: str, spec: JsonObject) -> Iterator[FieldError]:
    for name in sorted(mapping(spec, "hard")):
        if not is_in_scope(scope, name):
            yield invalid(field, shown, "unsupported scope applied to resource")


def _conflicts(field: str, scopes: Iterable[str], spec: JsonObject) -> Iterator[FieldError]:
    for pair in _OPPOSITES:
        if pair <= set(scopes):
            yield invalid(field, spec.get("scopes"), "conflicting scopes")
