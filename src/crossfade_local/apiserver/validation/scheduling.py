"""Validation of what steers a pod's placement: tolerations, affinity, spreading, gates."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.shapes import label_selector
from crossfade_local.values.fields import mapping, number, objects, sequence, text

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT: Final = "must be in the range 1-100"


def validate_tolerations(field: str, tolerations: list[JsonObject]) -> Iterator[FieldError]:
    for index, toleration in enumerate(tolerations):
        place = f"{field}[{index}]"
        key, operator = text(toleration, "key"), text(toleration, "operator")
        value, effect = text(toleration, "value"), text(toleration, "effect")
        if key:
            yield from each(f"{place}.key", key, names.qualified_name(key))
        elif operator != "Exists":
            said = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(f"{place}.operator", operator, said)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            said = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield invalid(f"{place}.effect", effect, said)
        if operator in ("", "Equal"):
            problems = names.label_value(value)
            if problems:
                yield invalid(f"{place}.operator", value, ";".join(problems))
        elif operator == "Exists":
            if value:
                yield invalid(f"{place}.operator", value, "value must be empty when `operator` is 'Exists'")
        else:
            yield not_supported(f"{place}.operator", operator, ("Equal", "Exists"))
        if effect and effect not in _EFFECTS:
            yield not_supported(f"{place}.effect", effect, _EFFECTS)


def validate_added_tolerations(field: str, new: list[JsonObject], old: list[JsonObject]) -> Iterator[FieldError]:
    """Existing tolerations must stay; only their seconds may change."""
    if not set(map(_without_seconds, old)) <= set(map(_without_seconds, new)):
        yield forbidden(field, "existing toleration can not be modified except its tolerationSeconds")
        return
    yield from validate_tolerations(field, new)


def _without_seconds(toleration: JsonObject) -> frozenset[tuple[str, Any]]:
    return frozenset((name, value) for name, value in toleration.items() if name != "tolerationSeconds")


def validate_affinity(field: str, affinity: JsonObject) -> Iterator[FieldError]:
    node = mapping(affinity, "nodeAffinity")
    if isinstance(node.get(_REQUIRED), dict):
        yield from validate_node_selector(f"{field}.nodeAffinity.{_REQUIRED}", node[_REQUIRED])
    for index, term in enumerate(objects(node, _PREFERRED)):
        place = f"{field}.nodeAffinity.{_PREFERRED}[{index}]"
        yield from _validate_weight(place, term)
        yield from _validate_node_term(f"{place}.preference", mapping(term, "preference"))
    for name in ("podAffinity", "podAntiAffinity"):
        terms = mapping(affinity, name)
        for index, term in enumerate(objects(terms, _REQUIRED)):
            yield from _validate_pod_term(f"{field}.{name}.{_REQUIRED}[{index}]", term)
        for index, term in enumerate(objects(terms, _PREFERRED)):
            place = f"{field}.{name}.{_PREFERRED}[{index}]"
            yield from _validate_weight(place, term)
            yield from _validate_pod_term(f"{place}.podAffinityTerm", mapping(term, "podAffinityTerm"))


def _validate_weight(field: str, term: JsonObject) -> Iterator[FieldError]:
    if not 0 < number(term, "weight") <= 100:
        yield invalid(f"{field}.weight", number(term, "weight"), _WEIGHT)


def validate_node_selector(field: str, selector: JsonObject) -> Iterator[FieldError]:
    terms = objects(selector, "nodeSelectorTerms")
    if not terms:
        yield required(f"{field}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        yield from _validate_node_term(f"{field}.nodeSelectorTerms[{index}]", term)


def _validate_node_term(field: str, term: JsonObject) -> Iterator[FieldError]:
    for index, expression in enumerate(objects(term, "matchExpressions")):
        yield from _validate_node_requirement(f"{field}.matchExpressions[{index}]", expression)


def _validate_node_requirement(field: str, expression: JsonObject) -> Iterator[FieldError]:
    operator, values = text(expression, "operator"), sequence(expression, "values")
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield forbidden(f"{field}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            yield required(f"{field}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        yield invalid(f"{field}.operator", operator, "not a valid selector operator")
    key = text(expression, "key")
    yield from each(f"{field}.key", key, names.qualified_name(key))
    for index, value in enumerate(values):
        yield from each(f"{field}.values[{index}]", value, names.label_value(str(value)))


def _validate_pod_term(field: str, term: JsonObject) -> Iterator[FieldError]:
    yield from label_selector(f"{field}.labelSelector", term.get("labelSelector"))
    yield from label_selector(f"{field}.namespaceSelector", term.get("namespaceSelector"))
    for namespace in sequence(term, "namespaces"):
        yield from each(f"{field}.namespace", namespace, names.dns_label(str(namespace)))
    key = text(term, "topologyKey")
    if not key:
        yield required(f"{field}.topologyKey", "can not be empty")
    yield from each(f"{field}.topologyKey", key, names.qualified_name(key))


def validate_gates(field: str, gates: list[JsonObject]) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, gate in enumerate(gates):
        name = text(gate, "name")
        yield from each(f"{field}[{index}]", name, names.qualified_name(name))
        if name in taken:
            yield duplicate(f"{field}[{index}]", name)
        taken.add(name)


def validate_spreading(field: str, constraints: list[JsonObject]) -> Iterator[FieldError]:
    for index, constraint in enumerate(constraints):
        place = f"{field}[{index}]"
        if number(constraint, "maxSkew") <= 0:
            yield invalid(f"{place}.maxSkew", number(constraint, "maxSkew"), "must be greater than zero")
        key = text(constraint, "topologyKey")
        if not key:
            yield required(f"{place}.topologyKey", "can not be empty")
        else:
            yield from each(f"{place}.topologyKey", key, names.qualified_name(key))
        action = text(constraint, "whenUnsatisfiable")
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            yield not_supported(f"{place}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway"))
        yield from label_selector(f"{place}.labelSelector", constraint.get("labelSelector"))
