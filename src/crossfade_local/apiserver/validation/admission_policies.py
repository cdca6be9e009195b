"""Validation of admission policies and their bindings. What is wrong with expressions is known when it begins."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.cel_language.names import RESERVED
from crossfade_local.apiserver.printers import jsonpath
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
from crossfade_local.apiserver.validation.match_conditions import validate_match_conditions
from crossfade_local.apiserver.validation.shapes import label_selector
from crossfade_local.apiserver.validation.webhooks import FAILURE_POLICIES, MATCH_POLICIES, validate_rule
from crossfade_local.values.fields import mapping, objects, sequence, text

Faults = Mapping[str, FieldError]
"""Of expressions, by their fields."""

_MOST_ANNOTATIONS: Final = 20
LONGEST_VALUE_EXPRESSION: Final = 5 * 1024
"""Bytes."""
_REASONS: Final = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS: Final = ("Audit", "Deny", "Warn")
_MUTABLE: Final = ("*", "CONNECT", "CREATE", "UPDATE")
_PATCHES: Final = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
_NOTHING_TO_DO: Final = "validations or auditAnnotations must contain at least one item"
_BOTH: Final = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and"
    " headers serves no purpose)"
)
_NEWLINE: Final = re.compile(r"[\n\r]")
_IDENTIFIER: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


def validate_validating(obj: JsonObject, faults: Faults, *, with_conditions: bool) -> Iterator[FieldError]:
    """`with_conditions`: match conditions that are as they were are not looked at again."""
    spec = mapping(obj, "spec")
    yield from _common(spec, faults, with_conditions=with_conditions)
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        yield required("spec.validations", _NOTHING_TO_DO)
        yield required("spec.auditAnnotations", _NOTHING_TO_DO)
        return
    for index, validation in enumerate(objects(spec, "validations")):
        yield from _validation(f"spec.validations[{index}]", validation, faults)
    yield from _annotations(obj, objects(spec, "auditAnnotations"), faults)


def validate_mutating(obj: JsonObject, faults: Faults, *, with_conditions: bool) -> Iterator[FieldError]:
    """`with_conditions`: match conditions that are as they were are not looked at again."""
    spec = mapping(obj, "spec")
    yield from _common(spec, faults, with_conditions=with_conditions, operations=_MUTABLE)
    if not spec.get("mutations"):
        yield required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(objects(spec, "mutations")):
        yield from _mutation(f"spec.mutations[{index}]", mutation, faults)
    yield from _choice("spec.reinvocationPolicy", spec.get("reinvocationPolicy") or None, ("IfNeeded", "Never"))


def _common(
    spec: JsonObject, faults: Faults, *, with_conditions: bool, operations: tuple[str, ...] = ()
) -> Iterator[FieldError]:
    """To both kinds of policies. `operations` are those that rules may name, where these are not all."""
    yield from _choice("spec.failurePolicy", spec.get("failurePolicy"), FAILURE_POLICIES)
    if spec.get("paramKind") is not None:
        yield from _param_kind("spec.paramKind", spec["paramKind"])
    if spec.get("matchConstraints") is None:
        yield required("spec.matchConstraints")
    else:
        yield from _match_resources("spec.matchConstraints", spec["matchConstraints"])
        if not objects(spec, "matchConstraints", "resourceRules"):
            yield required("spec.matchConstraints.resourceRules")
        if operations:
            yield from _operations("spec.matchConstraints", spec["matchConstraints"], operations)
    if with_conditions:
        conditions = objects(spec, "matchConditions")
        yield from validate_match_conditions("spec.matchConditions", conditions, lambda place, _: faults.get(place))
    for index, variable in enumerate(objects(spec, "variables")):
        yield from _variable(f"spec.variables[{index}]", variable, faults)


def _operations(field: str, resources: JsonObject, supported: tuple[str, ...]) -> Iterator[FieldError]:
    """Of no single rule, as Kubernetes says it."""
    for rule in objects(resources, "resourceRules"):
        for operation in sequence(rule, "operations"):
            if operation not in supported:
                yield not_supported(f"{field}.resourceRules.operations", operation, supported)


def validate_validating_binding(obj: JsonObject) -> Iterator[FieldError]:
    yield from _binding(obj)
    yield from _actions("spec.validationActions", sequence(obj, "spec", "validationActions"))


def validate_mutating_binding(obj: JsonObject) -> Iterator[FieldError]:
    yield from _binding(obj)
    yield from _operations("spec.matchResources", mapping(obj, "spec", "matchResources"), _MUTABLE)


def _binding(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    policy = text(spec, "policyName")
    if not policy:
        yield required("spec.policyName")
    else:
        yield from each("spec.policyName", policy, names.dns_subdomain(policy))
    if spec.get("paramRef") is not None:
        yield from _param_reference("spec.paramRef", spec["paramRef"])
    if spec.get("matchResources") is not None:
        yield from _match_resources("spec.matchResources", spec["matchResources"])


def validate_policy_status(new: JsonObject, _old: JsonObject) -> Iterator[FieldError]:
    place = "status.typeChecking.expressionWarnings"
    for index, warning in enumerate(objects(new, "status", "typeChecking", "expressionWarnings")):
        if not text(warning, "warning"):
            yield required(f"{place}[{index}].warning")
        field = text(warning, "fieldRef").strip()
        if not field:
            yield required(f"{place}[{index}].fieldRef")
            continue
        try:
            jsonpath.parsed(field)
        except jsonpath.JsonPathError as error:
            yield invalid(f"{place}[{index}].fieldRef", field, f"invalid JSONPath: {error}")


def _choice(field: str, value: Any, supported: tuple[str, ...]) -> Iterator[FieldError]:
    if value is None:
        yield required(field)
    elif value not in supported:
        yield not_supported(field, value, supported)


def _param_kind(field: str, kind: JsonObject) -> Iterator[FieldError]:
    version, name = text(kind, "apiVersion"), text(kind, "kind")
    if not version:
        yield required(f"{field}.apiVersion")
    elif version.count("/") > 1:
        yield invalid(f"{field}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    else:
        yield from _group_version(f"{field}.apiVersion", version)
    if not name:
        yield required(f"{field}.kind")
    elif problems := names.dns1035_label(name.lower()):
        said = f"may have mixed case, but should otherwise match: {','.join(problems)}"
        yield invalid(f"{field}.kind", name, said)


def _group_version(field: str, given: str) -> Iterator[FieldError]:
    group, _, version = "".rpartition("/") if given == "/" else given.rpartition("/")
    if group and (problems := names.dns_subdomain(group)):
        yield invalid(field, group, ",".join(problems))
    if not version:
        yield invalid(field, given, "version must be specified")
    elif problems := names.dns1035_label(version):
        yield invalid(field, version, ",".join(problems))


def _match_resources(field: str, resources: JsonObject) -> Iterator[FieldError]:
    yield from _choice(f"{field}.matchPolicy", resources.get("matchPolicy"), MATCH_POLICIES)
    for name in ("namespaceSelector", "objectSelector"):
        if resources.get(name) is None:
            yield required(f"{field}.{name}")
        else:
            yield from label_selector(f"{field}.{name}", resources[name])
    for name in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(objects(resources, name)):
            yield from _named_rule(f"{field}.{name}[{index}]", rule)


def _named_rule(field: str, rule: JsonObject) -> Iterator[FieldError]:
    known: set[str] = set()
    for index, name in enumerate(sequence(rule, "resourceNames")):
        place = f"{field}.resourceNames[{index}]"
        yield from each(place, name, names.path_segment_name(name, False))
        if name in known:
            yield duplicate(place, name)
        known.add(name)
    yield from validate_rule(field, rule)


def _expression(field: str, expression: str, faults: Faults, missing: str = "") -> Iterator[FieldError]:
    if not expression.strip():
        yield required(field, missing)
    elif field in faults:
        yield faults[field]


def _variable(field: str, variable: JsonObject, faults: Faults) -> Iterator[FieldError]:
    name = text(variable, "name")
    if not name.strip():
        yield required(f"{field}.name", "name is not specified")
    elif not _IDENTIFIER.fullmatch(name) or name in RESERVED:
        yield invalid(f"{field}.name", name, "must be a valid CEL identifier")
    yield from _expression(f"{field}.expression", text(variable, "expression"), faults, "expression is not specified")


def _validation(field: str, validation: JsonObject, faults: Faults) -> Iterator[FieldError]:
    yield from _expression(f"{field}.expression", text(validation, "expression"), faults, "expression is not specified")
    given = text(validation, "messageExpression")
    if given and not given.strip():
        yield invalid(f"{field}.messageExpression", given, "must be non-empty if specified")
    elif f"{field}.messageExpression" in faults:
        yield faults[f"{field}.messageExpression"]
    message = text(validation, "message")
    if message and not message.strip():
        yield invalid(f"{field}.message", message, "message must be non-empty if specified")
    elif _NEWLINE.search(message.strip()):
        yield invalid(f"{field}.message", message, "message must not contain line breaks")
    reason = validation.get("reason")
    if reason is not None and reason not in _REASONS:
        yield not_supported(f"{field}.reason", reason, _REASONS)


def _mutation(field: str, mutation: JsonObject, faults: Faults) -> Iterator[FieldError]:
    kind = text(mutation, "patchType")
    if not kind:
        yield required(f"{field}.patchType")
    elif kind not in _PATCHES:
        yield not_supported(f"{field}.patchType", kind, tuple(_PATCHES))
    for of_kind, name in _PATCHES.items() if kind in _PATCHES else ():
        if of_kind != kind and mutation.get(name) is not None:
            yield invalid(f"{field}.{name}", f"{{{name}}}", f"must not be specified when patchType is {kind}")
        elif of_kind == kind and mutation.get(name) is None:
            yield required(f"{field}.{name}", f"must be specified when patchType is {kind}")
        elif of_kind == kind:
            yield from _expression(f"{field}.{name}.expression", text(mutation, name, "expression"), faults)


def _annotations(obj: JsonObject, annotations: list[JsonObject], faults: Faults) -> Iterator[FieldError]:
    field, known = "spec.auditAnnotations", set[str]()
    if len(annotations) > _MOST_ANNOTATIONS:
        yield invalid(field, annotations, f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations")
    for index, annotation in enumerate(annotations):
        place, key = f"{field}[{index}]", text(annotation, "key")
        policy = text(obj, "metadata", "name")
        if policy:
            qualified = f"{policy}/{key}"
            yield from each(f"{place}.key", qualified, names.qualified_name(qualified))
        else:
            yield invalid(f"{place}.key", key, "requires metadata.name be non-empty")
        yield from _value_expression(f"{place}.valueExpression", text(annotation, "valueExpression"), faults)
        if key in known:
            yield duplicate(f"{place}.key", key)
        known.add(key)


def _value_expression(field: str, expression: str, faults: Faults) -> Iterator[FieldError]:
    if len(expression.strip().encode()) > LONGEST_VALUE_EXPRESSION:
        yield required(field, f"must not exceed {LONGEST_VALUE_EXPRESSION} bytes in length")
    else:
        yield from _expression(field, expression, faults, "valueExpression is not specified")


def _actions(field: str, actions: list[str]) -> Iterator[FieldError]:
    known: set[str] = set()
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            yield not_supported(f"{field}[{index}]", action, _ACTIONS)
        if action in known:
            yield duplicate(f"{field}[{index}]", action)
        known.add(action)
    if {"Deny", "Warn"} <= known:
        yield invalid(field, actions, _BOTH)
    if not known:
        yield required(field, "at least one validation action is required")


def _param_reference(field: str, reference: JsonObject) -> Iterator[FieldError]:
    name, selector = text(reference, "name"), reference.get("selector")
    if name:
        yield from each(f"{field}.name", name, names.path_segment_name(name, False))
    if selector is not None:
        if name:
            yield forbidden(f"{field}.name", "name and selector are mutually exclusive")
        yield from label_selector(f"{field}.selector", selector)
        if name:
            yield forbidden(f"{field}.selector", "name and selector are mutually exclusive")
    elif not name:
        yield required(field, "one of name or selector must be specified")
    action = reference.get("parameterNotFoundAction")
    if not action:
        yield required(f"{field}.parameterNotFoundAction")
    elif action not in ("Allow", "Deny"):
        yield not_supported(f"{field}.parameterNotFoundAction", action, ("Deny", "Allow"))
