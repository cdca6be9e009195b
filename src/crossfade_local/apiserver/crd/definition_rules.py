"""Checks of a CustomResourceDefinition that need the machinery of custom resources: CEL rules, defaults, conversion."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.aside import aside
from crossfade_local.apiserver.crd import patterns
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.crd.validator import value_errors
from crossfade_local.apiserver.validation.errors import ROOT, FieldError, forbidden, invalid, not_supported, required

_ONE_LINE: Final = "must not contain line breaks"
_REASONS: Final = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


async def definition_errors(
    rules: Rules, crd: JsonObject, old: JsonObject | None = None, *, size: int
) -> list[FieldError]:
    """Of one of about `size` bytes whose schemas are right in all else."""
    errors = await aside(size, lambda: _definition_errors(crd))
    return errors or await rules.rule_errors(_schemas(crd), old=_schemas(old or {}).values(), size=size)


def is_of_schema(error: FieldError) -> bool:
    return ".openAPIV3Schema" in error.field


def _definition_errors(crd: JsonObject) -> list[FieldError]:
    spec = crd.get("spec") or {}
    errors = list(_conversion(spec, spec.get("versions") or []))
    for place, schema in _schemas(crd).items():
        errors += _node(schema, place)
    return errors


def _schemas(crd: JsonObject) -> dict[str, JsonObject]:
    """By their places."""
    versions = (crd.get("spec") or {}).get("versions") or []
    found = {}
    for index, version in enumerate(versions):
        # With a single version Kubernetes speaks of the schema where it stood before there were versions.
        place = "spec.validation" if len(versions) == 1 else f"spec.versions[{index}].schema"
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if isinstance(schema, dict):
            found[f"{place}.openAPIV3Schema"] = schema
    return found


def _conversion(spec: JsonObject, versions: list[JsonObject]) -> Iterator[FieldError]:
    strategy = (spec.get("conversion") or {}).get("strategy", "None")
    if strategy != "None" and sum(bool(version.get("served")) for version in versions) > 1:
        yield forbidden(
            "spec.conversion.strategy",
            "the embedded API server runs no conversion webhooks, so the served versions could not be told apart; serve"
            " one version, or use strategy None",
        )


def _node(schema: JsonObject, path: str) -> Iterator[FieldError]:
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        yield from _rule(rule, f"{path}.x-kubernetes-validations[{index}]")
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and (problem := patterns.pattern_error(pattern)):
        yield invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {problem}")
    if schema.get("default") is not None:
        yield from _default_errors(schema, f"{path}.default")
    for name, inner in sorted((schema.get("properties") or {}).items()):
        yield from _node(inner, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _node(schema[name], f"{path}.{name}")


def _default_errors(schema: JsonObject, place: str) -> Iterator[FieldError]:
    """Of the default as a value of its own: the texts name what is wrong in it, and the fields where it is."""
    for error in value_errors(schema, schema["default"], ""):
        if error.field == ROOT:
            # Kubernetes puts the name of the place before the text, and the place has none.
            yield error._replace(field=place, detail=f" {error.detail}")
        else:
            yield error._replace(field=f"{place}.{error.field}")


def _rule(rule: JsonObject, place: str) -> Iterator[FieldError]:
    """What can be told of a rule without compiling it."""
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


def _has_lines(text: str) -> bool:
    return "\n" in text or "\r" in text
