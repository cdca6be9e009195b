"""Rules in CEL (`x-kubernetes-validations`) of custom resources.

Evaluated by the Rust engine behind `common-expression-language`. A rule that it cannot compile makes the
CustomResourceDefinition invalid, so that no rule is passed over silently.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.errors import OMITTED, ErrorType, FieldError, invalid, required

_RULES: Final = "x-kubernetes-validations"
_ROOT: Final = "<nil>"
_REASONS: Final = {
    "FieldValueForbidden": ErrorType.FORBIDDEN,
    "FieldValueRequired": ErrorType.REQUIRED,
    "FieldValueDuplicate": ErrorType.DUPLICATE,
}


@lru_cache(maxsize=2000)
def _program(rule: str) -> Any:
    import cel

    return cel.compile(rule)


def compile_error(rule: str) -> str:
    """Why a rule can't be compiled; empty if it can."""
    try:
        _program(rule)
    except Exception as error:
        return str(error)
    return ""


def has_rules(schema: Any) -> bool:
    if isinstance(schema, dict):
        return _RULES in schema or any(has_rules(value) for value in schema.values())
    return isinstance(schema, list) and any(map(has_rules, schema))


def rule_errors(schema: JsonObject, new: Any, old: Any, path: str) -> Iterator[FieldError]:
    """Violated rules of a value and of what is inside it; `old` is None where there was nothing before."""
    for rule in schema.get(_RULES) or ():
        yield from _violation(rule, new, old, path)
    if isinstance(new, dict):
        properties = schema.get("properties") or {}
        values = schema.get("additionalProperties")
        for key, inner in new.items():
            part = properties.get(key, values)
            if isinstance(part, dict):
                before = old.get(key) if isinstance(old, dict) else None
                yield from rule_errors(part, inner, before, f"{path}.{key}" if path else key)
    elif isinstance(new, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(new):
            before = _matching(schema, item, old)
            yield from rule_errors(schema["items"], item, before, f"{path}[{index}]")


def _matching(schema: JsonObject, item: Any, old: Any) -> Any:
    """The item's former self: only items of map lists have one."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys or not isinstance(old, list) or not isinstance(item, dict):
        return None
    return next((was for was in old if all(was.get(key) == item.get(key) for key in keys)), None)


def _violation(rule: JsonObject, new: Any, old: Any, path: str) -> Iterator[FieldError]:
    text = rule["rule"]
    is_transition = "oldSelf" in text
    if is_transition and old is None and not rule.get("optionalOldSelf"):
        return
    variables: JsonObject = {"self": new}
    if is_transition:
        variables["oldSelf"] = old
    try:
        holds = _program(text).execute(variables) is True
    except Exception as error:
        yield _error(path, new, f"rule evaluation error: {error}: {text}", rule)
        return
    if not holds:
        yield _error(path, new, _message(rule, variables), rule)


def _message(rule: JsonObject, variables: JsonObject) -> str:
    expression = rule.get("messageExpression")
    if expression:
        try:
            found = _program(expression).execute(variables)
        except Exception:
            found = None
        if isinstance(found, str) and found.strip():
            return found
    return str(rule.get("message") or f"failed rule: {' '.join(rule['rule'].split())}")


def _error(path: str, value: Any, text: str, rule: JsonObject) -> FieldError:
    place = f"{path}{rule['fieldPath']}" if rule.get("fieldPath") else path
    place = place.removeprefix(".") or _ROOT
    kind = _REASONS.get(rule.get("reason", ""))
    if kind == ErrorType.REQUIRED:
        return required(place, text)
    shown = OMITTED if isinstance(value, dict | list) else value
    return FieldError(kind, place, shown, text) if kind else invalid(place, shown, text)
