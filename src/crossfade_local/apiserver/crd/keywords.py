"""What a schema can ask of a value, type and parts apart; in the words of Kubernetes' validator."""

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.formats import FORMATS
from crossfade_local.apiserver.validation.errors import (
    OMITTED,
    ROOT,
    ErrorType,
    FieldError,
    invalid,
    not_supported,
    required,
    too_many,
)
from crossfade_local.apiserver.values.gotext import number, to_json


class TooCostlyError(Exception):
    """Looking at a value takes longer than it may."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(problem)
        self.path = path


class Walk(Protocol):
    """Through a value. All methods raise TooCostlyError."""

    def errors(self, schema: JsonObject, value: Any, path: str) -> list[FieldError]:
        """Of a value by a schema that is one of several for it."""

    def is_among(self, value: Any, values: list[Any], path: str) -> bool: ...

    def matches(self, value: str, pattern: str, path: str) -> bool: ...


def label(path: str) -> str:
    return f"{path} in body" if path else "in body"


def _said(path: str, value: Any, what: str) -> FieldError:
    return invalid(path or ROOT, value, f"{label(path)} {what}")


def _enum(walk: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if not walk.is_among(value, schema["enum"], path):
        yield not_supported(
            path or ROOT, value, [item if isinstance(item, str) else to_json(item) for item in schema["enum"]]
        )


def _required(_: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if isinstance(value, dict):
        for name in schema["required"]:
            if name not in value:
                yield required(f"{path}.{name}" if path else name)


def _bounds(_: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None:
        strict = bool(schema.get("exclusiveMaximum"))
        if value > high or (strict and value == high):
            yield _said(path, value, f"should be less than {'' if strict else 'or equal to '}{number(high)}")
    if low is not None:
        strict = bool(schema.get("exclusiveMinimum"))
        if value < low or (strict and value == low):
            yield _said(path, value, f"should be greater than {'' if strict else 'or equal to '}{number(low)}")


def _only_minimum(walk: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if "maximum" not in schema:
        yield from _bounds(walk, schema, value, path)


def _multiple_of(_: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    step = schema["multipleOf"]
    if isinstance(value, int | float) and not isinstance(value, bool):
        ratio = value / step
        if abs(ratio - round(ratio)) > 1e-9:
            yield _said(path, value, f"should be a multiple of {number(step)}")


def _length(_: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(value, str):
        return
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        text = f"may not be more than {longest} bytes" if longest >= 0 else "value is too long"
        yield FieldError(ErrorType.TOO_LONG, path or ROOT, OMITTED, text)
    elif shortest is not None and len(value) < shortest:
        yield _said(path, value, f"should be at least {shortest} chars long")


def _only_shortest(walk: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if "maxLength" not in schema:
        yield from _length(walk, schema, value, path)


def _pattern(walk: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(value, str) or any(_length(walk, schema, value, path)):
        # Of a text that is too long or too short no more is told.
        return
    if not walk.matches(value, schema["pattern"], path):
        yield _said(path, value, f"should match '{schema['pattern']}'")


def _format(_: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    check = FORMATS.get(schema["format"])
    if check is not None and isinstance(value, str) and not check(value):
        text = f'{label(path)} must be of type {schema["format"]}: "{value}"'
        yield FieldError(ErrorType.TYPE_INVALID, path or ROOT, value, text)


def _count(path: str, size: int, least: int | None, most: int | None, counted: str) -> Iterator[FieldError]:
    if most is not None and size > most:
        yield too_many(path or ROOT, size, most)
    if least is not None and size < least:
        yield _said(path, size, f"should have at least {least} {counted}")


def _item_count(_: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if isinstance(value, list):
        yield from _count(path, len(value), schema.get("minItems"), schema.get("maxItems"), "items")


def _only_least(walk: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if "maxItems" not in schema:
        yield from _item_count(walk, schema, value, path)


def _property_count(_: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if isinstance(value, dict):
        yield from _count(path, len(value), schema.get("minProperties"), schema.get("maxProperties"), "properties")


def _only_fewest(walk: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if "maxProperties" not in schema:
        yield from _property_count(walk, schema, value, path)


def _all_of(walk: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    for part in schema["allOf"]:
        found = walk.errors(part, value, path)
        yield from found
        if found:
            yield _composite(path, "must validate all the schemas (allOf)")


def _any_of(walk: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    results = [walk.errors(part, value, path) for part in schema["anyOf"]]
    if all(results):
        yield _composite(path, "must validate at least one schema (anyOf)")
        yield from min(results, key=len)


def _one_of(walk: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    results = [walk.errors(part, value, path) for part in schema["oneOf"]]
    fitting = sum(not found for found in results)
    if fitting != 1:
        found = "Found none valid" if fitting == 0 else f"Found {fitting} valid alternatives"
        yield _composite(path, f"must validate one and only one schema (oneOf). {found}")
        if fitting == 0:
            yield from min(results, key=len)


def _not(walk: Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if not walk.errors(schema["not"], value, path):
        yield _composite(path, "must not validate the schema (not)")


def _composite(path: str, what: str) -> FieldError:
    return FieldError(ErrorType.INVALID, path or ROOT, "", f'"{path}" {what}')


Keyword = Callable[[Walk, JsonObject, Any, str], Iterator[FieldError]]
KEYWORDS: Final[dict[str, Keyword]] = {
    "maximum": _bounds,
    "minimum": _only_minimum,
    "multipleOf": _multiple_of,
    "maxLength": _length,
    "minLength": _only_shortest,
    "pattern": _pattern,
    "format": _format,
    "enum": _enum,
    "maxItems": _item_count,
    "minItems": _only_least,
    "maxProperties": _property_count,
    "minProperties": _only_fewest,
    "required": _required,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
}
