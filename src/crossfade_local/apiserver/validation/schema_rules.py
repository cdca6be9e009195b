"""Validation of what a schema asks in CEL, as far as it can be told without compiling it."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.errors import FieldError, invalid, not_supported, required
from crossfade_local.apiserver.validation.schema_paths import PathError, field_at
from crossfade_local.values.fields import objects

_RULES: Final = "x-kubernetes-validations"
_ONE_LINE: Final = "must not contain line breaks"
_REASONS: Final = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def validate_rules(field: str, schema: JsonObject) -> Iterator[FieldError]:
    for index, rule in enumerate(objects(schema, _RULES)):
        yield from _rule(f"{field}.{_RULES}[{index}]", rule, schema)


def _rule(place: str, rule: JsonObject, schema: JsonObject) -> Iterator[FieldError]:
    texts = {name: str(rule.get(name) or "") for name in ("rule", "message", "messageExpression", "fieldPath")}
    inside = {name: text.strip() for name, text in texts.items()}
    if not inside["rule"]:
        yield required(f"{place}.rule", "rule is not specified")
    elif texts["message"] and not inside["message"]:
        yield invalid(f"{place}.message", texts["message"], "must be non-empty if specified")
    elif _has_lines(inside["message"]):
        yield invalid(f"{place}.message", texts["message"], _ONE_LINE)
    elif _has_lines(inside["rule"]) and not inside["message"]:
        yield required(f"{place}.message", "message must be specified if rule contains line breaks")
    if texts["messageExpression"] and not inside["messageExpression"]:
        yield required(f"{place}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in _REASONS:
        yield not_supported(f"{place}.reason", rule["reason"], _REASONS)
    if texts["fieldPath"] and not inside["fieldPath"]:
        yield invalid(f"{place}.fieldPath", texts["fieldPath"], "must be non-empty if specified")
    if _has_lines(texts["fieldPath"]):
        yield invalid(f"{place}.fieldPath", texts["fieldPath"], _ONE_LINE)
    elif inside["fieldPath"] and not _leads_somewhere(schema, texts["fieldPath"]):
        yield invalid(f"{place}.fieldPath", texts["fieldPath"], "must be a valid path")


def _leads_somewhere(schema: JsonObject, path: str) -> bool:
    try:
        field_at(schema, path)
    except PathError:
        return False
    return True


def _has_lines(text: str) -> bool:
    return "\n" in text or "\r" in text
