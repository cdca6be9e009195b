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
from crossfade_local.apiserver.validation.shapes import label_selector, one_of
from crossfade_local.values.fields import mapping, number, objects, sequence, text

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_COMPARISONS: Final = ("Lt", "Gt")
"""Operators of tolerations that Kubernetes knows and, without a feature that is off, refuses."""
_ACTIONS: Final = ("DoNotSchedule", "ScheduleAnyway")
_INCLUSION: Final = ("Honor", "Ignore")
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
            known = ("Equal", "Exists", *(_COMPARISONS if operator in _COMPARISONS else ()))
            yield not_supported(f"{place}.operator", operator, known)
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
        yield from _validate_node_term(f"{place}.preference", mapping(term, "preference"), preferred=True)
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
        yield from _validate_node_term(f"{field}.nodeSelectorTerms[{index}]", term, preferred=False)


def _validate_node_term(field: str, term: JsonObject, *, preferred: bool) -> Iterator[FieldError]:
    """A preference may name values that no label can have."""
    for index, expression in enumerate(objects(term, "matchExpressions")):
        place = f"{field}.matchExpressions[{index}]"
        yield from _validate_node_requirement(place, expression)
        for position, value in enumerate(() if preferred else sequence(expression, "values")):
            yield from each(f"{place}.values[{position}]", value, names.label_value(str(value)))
    for index, requirement in enumerate(objects(term, "matchFields")):
        yield from _validate_node_field(f"{field}.matchFields[{index}]", requirement)


def _validate_node_field(field: str, requirement: JsonObject) -> Iterator[FieldError]:
    operator, values, key = text(requirement, "operator"), sequence(requirement, "values"), text(requirement, "key")
    if operator not in ("In", "NotIn"):
        yield invalid(f"{field}.operator", operator, "not a valid selector operator")
    elif len(values) != 1:
        said = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{field}.values", said)
    if key != "metadata.name":
        yield invalid(f"{field}.key", key, "not a valid field selector key")
        return
    for index, value in enumerate(values):
        yield from each(f"{field}.values[{index}]", value, names.dns_subdomain(str(value)))


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


def _validate_pod_term(field: str, term: JsonObject) -> Iterator[FieldError]:
    yield from label_selector(f"{field}.labelSelector", term.get("labelSelector"))
    yield from label_selector(f"{field}.namespaceSelector", term.get("namespaceSelector"))
    for namespace in sequence(term, "namespaces"):
        yield from each(f"{field}.namespace", namespace, names.dns_label(str(namespace)))
    yield from _validate_label_keys(field, term, ("matchLabelKeys", "mismatchLabelKeys"))
    mismatched = sequence(term, "mismatchLabelKeys")
    for index, name in enumerate(sequence(term, "matchLabelKeys")):
        if name in mismatched:
            said = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield invalid(f"{field}.matchLabelKeys[{index}]", name, said)
    key = text(term, "topologyKey")
    if not key:
        yield required(f"{field}.topologyKey", "can not be empty")
    yield from each(f"{field}.topologyKey", key, names.qualified_name(key))


def _validate_label_keys(field: str, term: JsonObject, lists: tuple[str, ...]) -> Iterator[FieldError]:
    """Keys whose values a pod's own labels give: they add to the selector of other pods."""
    for name in lists:
        keys = sequence(term, name)
        if keys and term.get("labelSelector") is None:
            yield forbidden(f"{field}.{name}", "must not be specified when labelSelector is not set")
            continue
        for index, key in enumerate(keys):
            yield from each(f"{field}.{name}[{index}]", key, names.qualified_name(str(key)))


def validate_gates(field: str, gates: list[JsonObject]) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, gate in enumerate(gates):
        name = text(gate, "name")
        yield from each(f"{field}[{index}]", name, names.qualified_name(name))
        if name in taken:
            yield duplicate(f"{field}[{index}]", name)
        taken.add(name)


def validate_spreading(field: str, constraints: list[JsonObject]) -> Iterator[FieldError]:
    kinds = [(text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable")) for constraint in constraints]
    for index, constraint in enumerate(constraints):
        place, (key, action) = f"{field}[{index}]", kinds[index]
        if number(constraint, "maxSkew") <= 0:
            yield invalid(f"{place}.maxSkew", number(constraint, "maxSkew"), "must be greater than zero")
        if not key:
            yield required(f"{place}.topologyKey", "can not be empty")
        yield from one_of(f"{place}.whenUnsatisfiable", action, _ACTIONS)
        if kinds[index] in kinds[index + 1 :]:
            yield duplicate(f"{place}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
        yield from _validate_domains(f"{place}.minDomains", constraint.get("minDomains"), action)
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if constraint.get(name) is not None:
                yield from one_of(f"{place}.{name}", constraint[name], _INCLUSION)
        yield from _validate_label_keys(place, constraint, ("matchLabelKeys",))
        yield from label_selector(f"{place}.labelSelector", constraint.get("labelSelector"))


def _validate_domains(field: str, least: Any, action: str) -> Iterator[FieldError]:
    if not isinstance(least, int):
        return
    if least <= 0:
        yield invalid(field, least, "must be greater than zero")
    if action != _ACTIONS[0]:
        yield invalid(field, least, f"can only use minDomains if whenUnsatisfiable={_ACTIONS[0]}, not {action}")
