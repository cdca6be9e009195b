"""Checks of the `matchConditions` of webhook configurations, which need the compiler of CEL."""

from collections.abc import Iterator, Mapping

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.validation.errors import FieldError, invalid
from crossfade_local.apiserver.validation.match_conditions import validate_match_conditions
from crossfade_local.values.fields import objects, text


async def condition_errors(rules: Rules, new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    """Of a configuration that is right in all else. Conditions that are as they were are not looked at again."""
    found = [objects(webhook, "matchConditions") for webhook in objects(new, "webhooks")]
    if old is not None and found == [objects(webhook, "matchConditions") for webhook in objects(old, "webhooks")]:
        return []
    expressions = (text(condition, "expression").strip() for conditions in found for condition in conditions)
    faults = await rules.condition_faults(filter(None, expressions))
    return [
        error
        for index, conditions in enumerate(found)
        for error in _errors(f"webhooks[{index}].matchConditions", conditions, faults)
    ]


def _errors(field: str, conditions: list[JsonObject], faults: Mapping[str, str]) -> Iterator[FieldError]:
    def fault(place: str, expression: str) -> FieldError | None:
        said = faults.get(expression.strip())
        return None if said is None else invalid(place, expression.strip(), said)

    return validate_match_conditions(field, conditions, fault)
