"""Validation of `matchConditions`, of webhooks and of policies."""

from collections.abc import Callable, Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, duplicate, each, required, too_many
from crossfade_local.values.fields import text

_MOST: Final = 64


def validate_match_conditions(
    field: str, conditions: list[JsonObject], fault: Callable[[str, str], FieldError | None]
) -> Iterator[FieldError]:
    """`fault` says what is wrong with an expression, by its field and its text."""
    if len(conditions) > _MOST:
        yield too_many(field, len(conditions), _MOST)
    taken: set[str] = set()
    for index, condition in enumerate(conditions):
        place, name, expression = f"{field}[{index}]", text(condition, "name"), text(condition, "expression")
        if not expression.strip():
            yield required(f"{place}.expression")
        elif (found := fault(f"{place}.expression", expression)) is not None:
            yield found
        if not name:
            yield required(f"{place}.name")
            continue
        yield from each(f"{place}.name", name, names.qualified_name(name))
        if name in taken:
            yield duplicate(f"{place}.name", name)
        taken.add(name)
