"""Validation of the spec of Jobs, their own and that of a CronJob's template."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    OMITTED,
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.index_intervals import IntervalError, count_indexes
from crossfade_local.apiserver.validation.pods import validate_template
from crossfade_local.apiserver.validation.shapes import not_negative
from crossfade_local.apiserver.values.gotext import go_struct, quoted
from crossfade_local.pod_resources import containers_of
from crossfade_local.values.fields import at, mapping, number, objects, sequence, text

_MOST_INDEXES: Final = 100_000
_MOST_RULES: Final = 20
_MOST_CODES: Final = 255
_RESTARTS: Final = ("OnFailure", "Never")
_ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
SUCCESS_POLICY: Final = {"rules": [{"succeededIndexes": None, "succeededCount": None}]}
FAILURE_POLICY: Final = {
    "rules": [
        {
            "action": "",
            "onExitCodes": {"containerName": None, "operator": "", "values": None},
            "onPodConditions": [{"type": "", "status": ""}],
        }
    ]
}
_PER_INDEX: Final = "requires indexed completion mode"


def validate_job_spec(field: str, spec: JsonObject) -> Iterator[FieldError]:
    for name in (
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ):
        yield from not_negative(f"{field}.{name}", spec.get(name))
    yield from _completion_mode(field, spec)
    yield from _failure_policy(field, spec)
    yield from _success_policy(field, spec)
    replacement = spec.get("podReplacementPolicy")
    known = ("Failed",) if isinstance(spec.get("podFailurePolicy"), dict) else ("Failed", "TerminatingOrFailed")
    if replacement is not None and replacement not in known:
        yield not_supported(f"{field}.podReplacementPolicy", replacement, known)
    yield from validate_template(f"{field}.template", mapping(spec, "template"))
    restart = text(spec, "template", "spec", "restartPolicy")
    if restart == "Always":
        said = 'valid values: "OnFailure", "Never"'
        yield required(f"{field}.template.spec.restartPolicy", said)
    elif restart not in _RESTARTS:
        yield not_supported(f"{field}.template.spec.restartPolicy", restart, _RESTARTS)
    elif restart != "Never" and isinstance(spec.get("podFailurePolicy"), dict):
        said = 'only "Never" is supported when podFailurePolicy is specified'
        yield invalid(f"{field}.template.spec.restartPolicy", restart, said)


def _completion_mode(field: str, spec: JsonObject) -> Iterator[FieldError]:
    mode = spec.get("completionMode")
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(f"{field}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if mode not in (None, "NonIndexed", "Indexed"):
        yield not_supported(f"{field}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed":
        if spec.get("completions") is None:
            yield required(f"{field}.completions", "when completion mode is Indexed")
        if number(spec, "parallelism") > _MOST_INDEXES:
            said = f"must be less than or equal to {_MOST_INDEXES} when completion mode is Indexed"
            yield invalid(f"{field}.parallelism", spec["parallelism"], said)
        completions, failed = spec.get("completions"), spec.get("maxFailedIndexes")
        if completions is not None and failed is not None and failed > completions:
            yield invalid(f"{field}.maxFailedIndexes", failed, "must be less than or equal to completions")
        return
    if mode not in (None, "NonIndexed"):
        return
    for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if spec.get(name) is not None:
            yield invalid(f"{field}.{name}", spec[name], _PER_INDEX)


def _failure_policy(field: str, spec: JsonObject) -> Iterator[FieldError]:
    if not isinstance(spec.get("podFailurePolicy"), dict):
        return
    rules = objects(spec, "podFailurePolicy", "rules")
    place = f"{field}.podFailurePolicy.rules"
    for index, _ in enumerate(rules[_MOST_RULES:]):
        yield forbidden(f"{place}[{index + _MOST_RULES}]", f"must have at most {_MOST_RULES} items")
    containers = {text(one, "name") for one in containers_of(mapping(spec, "template", "spec"))}
    for index, rule in enumerate(rules):
        yield from _failure_rule(f"{place}[{index}]", rule, per_index=spec.get("backoffLimitPerIndex") is not None)
        named = at(rule, "onExitCodes", "containerName")
        if named is not None and named not in containers:
            said = "must be one of the container or initContainer names in the pod template"
            yield invalid(f"{place}[{index}].onExitCodes.containerName", named, said)


def _failure_rule(field: str, rule: JsonObject, *, per_index: bool) -> Iterator[FieldError]:
    action, codes, patterns = text(rule, "action"), rule.get("onExitCodes"), objects(rule, "onPodConditions")
    if not action:
        listed = " ".join(map(quoted, _ACTIONS))
        yield required(f"{field}.action", f"valid values: [{listed}]")
    elif action not in _ACTIONS:
        yield not_supported(f"{field}.action", action, _ACTIONS)
    elif action == "FailIndex" and not per_index:
        said = "requires the backoffLimitPerIndex to be set"
        yield invalid(f"{field}.action", action, said)
    if isinstance(codes, dict) and patterns:
        yield invalid(field, OMITTED, "specifying both OnExitCodes and OnPodConditions is not supported")
    elif not isinstance(codes, dict) and not patterns:
        yield invalid(field, OMITTED, "specifying one of OnExitCodes and OnPodConditions is required")
    if isinstance(codes, dict):
        yield from _exit_codes(f"{field}.onExitCodes", codes)
    for index, pattern in enumerate(patterns):
        condition = text(pattern, "type")
        yield from each(f"{field}.onPodConditions[{index}].type", condition, names.qualified_name(condition))
        if text(pattern, "status") not in ("", "False", "True", "Unknown"):
            place = f"{field}.onPodConditions[{index}].status"
            yield not_supported(place, text(pattern, "status"), ("False", "True", "Unknown"))


def _exit_codes(field: str, codes: JsonObject) -> Iterator[FieldError]:
    operator, values = text(codes, "operator"), sequence(codes, "values")
    if not operator:
        yield required(f"{field}.operator", 'valid values: ["In" "NotIn"]')
    elif operator not in ("In", "NotIn"):
        yield not_supported(f"{field}.operator", operator, ("In", "NotIn"))
    if not values:
        yield invalid(f"{field}.values", codes.get("values"), "at least one value is required")
    seen: set[Any] = set()
    for index, value in enumerate(values[: _MOST_CODES + 1]):
        if operator == "In" and value == 0:
            yield invalid(f"{field}.values[{index}]", value, "must not be 0 for the In operator")
        elif value in seen:
            yield duplicate(f"{field}.values[{index}]", value)
        seen.add(value)
    if len(values) > _MOST_CODES:
        yield forbidden(f"{field}.values", f"must have at most {_MOST_CODES} items")


def _success_policy(field: str, spec: JsonObject) -> Iterator[FieldError]:
    policy = spec.get("successPolicy")
    if not isinstance(policy, dict):
        return
    if spec.get("completionMode") != "Indexed":
        yield invalid(f"{field}.successPolicy", go_struct(policy, SUCCESS_POLICY), _PER_INDEX)
        return
    rules, place = objects(spec, "successPolicy", "rules"), f"{field}.successPolicy.rules"
    if not rules:
        yield required(place, "at least one rules must be specified when the successPolicy is specified")
    for index, rule in enumerate(rules):
        yield from _success_rule(f"{place}[{index}]", rule, number(spec, "completions"))


def _success_rule(field: str, rule: JsonObject, completions: int) -> Iterator[FieldError]:
    count, indexes, total = rule.get("succeededCount"), rule.get("succeededIndexes"), 0
    if count is None and indexes is None:
        yield required(field, "at least one of succeededCount or succeededIndexes must be specified")
    if indexes is not None:
        try:
            total = count_indexes(indexes, completions)
        except IntervalError as error:
            yield invalid(f"{field}.succeededIndexes", indexes, f"error parsing succeededIndexes: {error}")
    if count is None:
        return
    yield from not_negative(f"{field}.succeededCount", count)
    if count > completions:
        said = f"must be less than or equal to {completions} (the number of specified completions)"
        yield invalid(f"{field}.succeededCount", count, said)
    if indexes is not None and count > total:
        said = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        yield invalid(f"{field}.succeededCount", count, said)
