"""Checks that fields of many kinds share: counts, percentages, label selectors."""

from collections.abc import Iterator, Sequence
from typing import Any

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.metadata import validate_labels
from crossfade_local.apiserver.values.gotext import GoStruct
from crossfade_local.values.fields import objects, sequence, text

NEGATIVE = "must be greater than or equal to 0"


def not_negative(field: str, value: Any) -> Iterator[FieldError]:
    if isinstance(value, int) and value < 0:
        yield invalid(field, value, NEGATIVE)


def one_of(field: str, value: str, supported: Sequence[str]) -> Iterator[FieldError]:
    if value not in supported:
        yield not_supported(field, value, supported)


def choice(field: str, value: str, supported: Sequence[str]) -> Iterator[FieldError]:
    """One of them, and not nothing."""
    if value:
        yield from one_of(field, value, supported)
    else:
        yield required(field)


def count_or_percent(field: str, value: Any) -> Iterator[FieldError]:
    if isinstance(value, str):
        yield from each(field, value, names.percent(value))
    else:
        yield from not_negative(field, value)


def at_most_everything(field: str, value: Any) -> Iterator[FieldError]:
    """A percentage may not exceed 100."""
    if isinstance(value, str) and not names.percent(value) and int(value[:-1]) > 100:
        yield invalid(field, value, "must not be greater than 100%")


def port_number_or_name(field: str, value: Any) -> Iterator[FieldError]:
    if isinstance(value, str):
        yield from each(field, value, names.port_name(value))
    else:
        yield from each(field, value or 0, names.port_number(value or 0))


def label_selector(field: str, selector: JsonObject | None) -> Iterator[FieldError]:
    if selector is None:
        return
    yield from validate_labels(selector.get("matchLabels") or {}, f"{field}.matchLabels")
    for index, expression in enumerate(objects(selector, "matchExpressions")):
        yield from _expression(f"{field}.matchExpressions[{index}]", expression)


def selector_as_sent(selector: Any) -> Any:
    """As Go writes one in an error: its fields in their own order, the empty ones left out."""
    if not isinstance(selector, dict):
        return selector
    expressions = [
        GoStruct(key=text(one, "key"), operator=text(one, "operator"), **{"values": values} if values else {})
        for one in objects(selector, "matchExpressions")
        for values in (sequence(one, "values"),)
    ]
    parts = {"matchLabels": selector.get("matchLabels"), "matchExpressions": expressions}
    return GoStruct({name: part for name, part in parts.items() if part})


def is_empty_selector(selector: JsonObject) -> bool:
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def _expression(field: str, expression: JsonObject) -> Iterator[FieldError]:
    operator, values = text(expression, "operator"), sequence(expression, "values")
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield forbidden(f"{field}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    else:
        yield invalid(f"{field}.operator", operator, "not a valid selector operator")
    key = text(expression, "key")
    yield from each(f"{field}.key", key, names.qualified_name(key))
    for index, value in enumerate(values):
        yield from each(f"{field}.values[{index}]", value, names.label_value(str(value)))
