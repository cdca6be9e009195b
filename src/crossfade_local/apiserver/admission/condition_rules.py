"""Checks of the `matchConditions` of webhook configurations, which need the compiler of CEL."""

from collections.abc import Iterator, Mapping
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, duplicate, each, invalid, required, too_many
from crossfade_local.values.fields import objects, text

_MOST: Final = 64


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
    if len(conditions) > _MOST:
        yield too_many(field, len(conditions), _MOST)
    taken: set[str] = set()
    for index, condition in enumerate(conditions):
        place, name = f"{field}[{index}]", text(condition, "name")
        expression = text(condition, "expression").strip()
        if not expression:
            yield required(f"{place}.expression")
        elif expression in faults:
            yield invalid(f"{place}.expression", expression, faults[expression])
        if not name:
            yield required(f"{place}.name")
            continue
        yield from each(f"{place}.name", name, names.qualified_name(name))
        if name in taken:
            yield duplicate(f"{place}.name", name)
        taken.add(name)
