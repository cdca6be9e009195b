"""Checks of a CustomResourceDefinition that need the machinery of custom resources: CEL rules, defaults, conversion."""

from collections.abc import Iterator, Mapping

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.aside import aside
from crossfade_local.apiserver.crd import cel, patterns
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.crd.validator import value_errors
from crossfade_local.apiserver.validation.errors import FieldError, forbidden, invalid, required


async def definition_errors(rules: Rules, crd: JsonObject, *, size: int) -> list[FieldError]:
    """Of one of about `size` bytes that is right in all else."""
    faults = await rules.faults(cel.rules_of((crd.get("spec") or {}).get("versions")))
    return await aside(size, lambda: _definition_errors(crd, faults))


def _definition_errors(crd: JsonObject, faults: Mapping[str, str]) -> list[FieldError]:
    spec = crd.get("spec") or {}
    versions = spec.get("versions") or []
    errors = list(_conversion(spec, versions))
    for index, version in enumerate(versions):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        # With a single version Kubernetes speaks of the schema where it stood before there were versions.
        place = "spec.validation" if len(versions) == 1 else f"spec.versions[{index}].schema"
        if isinstance(schema, dict):
            errors += _node(schema, f"{place}.openAPIV3Schema", faults)
    return errors


def _conversion(spec: JsonObject, versions: list[JsonObject]) -> Iterator[FieldError]:
    strategy = (spec.get("conversion") or {}).get("strategy", "None")
    if strategy != "None" and sum(bool(version.get("served")) for version in versions) > 1:
        yield forbidden(
            "spec.conversion.strategy",
            "the embedded API server runs no conversion webhooks, so the served versions could not be told apart; serve"
            " one version, or use strategy None",
        )


def _node(schema: JsonObject, path: str, faults: Mapping[str, str]) -> Iterator[FieldError]:
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        place = f"{path}.x-kubernetes-validations[{index}].rule"
        text = str(rule.get("rule", ""))
        if not text.strip():
            yield required(place, "rule is not specified")
        elif text in faults:
            yield invalid(place, text, f"compilation failed: {faults[text]}")
        expression = str(rule.get("messageExpression") or "")
        if expression in faults:
            place = f"{path}.x-kubernetes-validations[{index}].messageExpression"
            yield invalid(place, expression, f"messageExpression compilation failed: {faults[expression]}")
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and (problem := patterns.pattern_error(pattern)):
        yield invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {problem}")
    if schema.get("default") is not None:
        yield from value_errors(schema, schema["default"], f"{path}.default")
    for name, inner in sorted((schema.get("properties") or {}).items()):
        yield from _node(inner, f"{path}.properties[{name}]", faults)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _node(schema[name], f"{path}.{name}", faults)
