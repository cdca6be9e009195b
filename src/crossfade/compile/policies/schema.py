"""A small schema language with Kong's own defaults and error texts, so that refusals read as they do on Kong.

Only what plugin configurations need: scalars, arrays, records, and checks over a whole record.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct

from crossfade_kube.meta import JsonObject

Problems: TypeAlias = dict[str, Any]
"""Field name → text or nested problems; `@entity` holds a list of texts about the whole."""

ENTITY: Final = "@entity"


def _is_number(value: Any) -> bool:
    """Of the finite ones, which JSON can write and a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


_EXPECTED: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "string": ("expected a string", lambda value: isinstance(value, str)),
    "number": ("expected a number", _is_number),
    "integer": ("expected an integer", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "boolean": ("expected a boolean", lambda value: isinstance(value, bool)),
    "array": ("expected an array", lambda value: isinstance(value, list)),
    "set": ("expected a set", lambda value: isinstance(value, list)),
    "record": ("expected a record", lambda value: isinstance(value, dict)),
    "map": ("expected a map", lambda value: isinstance(value, dict)),
}


class Field(Struct, frozen=True):
    """`type` is one of string, number, integer, boolean, array, set, record, map.

    `check` returns a problem's text or None. `elements` are those of an array or set, or the values of a map under any
    names. `len_min` is that of strings and maps: Kong takes no empty strings unless a plugin says so. `referenceable`:
    a reference to a vault may stand in place of the value, which is then not checked here.
    """

    type: str
    default: Any = None
    required: bool = False
    one_of: tuple[str, ...] = ()
    greater_than: float | None = None
    between: tuple[float, float] | None = None
    len_min: int = 1
    elements: "Field | None" = None
    fields: "dict[str, Field] | None" = None
    check: Callable[[Any], str | None] | None = None
    referenceable: bool = False


EntityCheck: TypeAlias = Callable[[JsonObject], Problems]


class Schema(Struct, frozen=True):
    """All checks see the record with its defaults; `checks` run only when every field by itself is right."""

    fields: dict[str, Field]
    checks: tuple[EntityCheck, ...] = ()
    presence_checks: tuple[EntityCheck, ...] = ()


class Outcome(Struct, frozen=True):
    """`config` has every field of the schema; it means nothing when there are problems."""

    config: JsonObject
    problems: Problems


def is_reference(value: Any) -> bool:
    """As Kong tells them: `{vault://…}`, and nothing around it."""
    return isinstance(value, str) and len(value) > 10 and value.startswith("{vault://") and value.endswith("}")


def apply_schema(schema: Schema, config: Mapping[str, Any]) -> Outcome:
    """Checks a configuration and fills in the defaults."""
    filled, problems = _record(schema.fields, config)
    checks = schema.presence_checks if problems else (*schema.presence_checks, *schema.checks)
    for check in checks:
        problems = merge_problems(problems, check(filled))
    return Outcome(filled, problems)


def merge_problems(first: Problems, second: Problems) -> Problems:
    merged = dict(first)
    for name, problem in second.items():
        merged[name] = [*merged.get(ENTITY, []), *problem] if name == ENTITY else problem
    return merged


def violation_text(problems: Problems) -> str:
    """As Kong words it: `schema violation (config.minute: expected a number)`."""
    texts = list(_texts(problems, ""))
    title = "schema violation" if len(texts) == 1 else f"{len(texts)} schema violations"
    return f"{title} ({'; '.join(texts)})"


def _texts(problems: Problems, prefix: str) -> Iterator[str]:
    yield from problems.get(ENTITY, [])
    for name in sorted(name for name in problems if name != ENTITY):
        problem = problems[name]
        if isinstance(problem, dict):
            yield from _texts(problem, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}: {problem}"


def _record(fields: Mapping[str, Field], given: Mapping[str, Any]) -> tuple[JsonObject, Problems]:
    filled: JsonObject = {}
    problems: Problems = {name: "unknown field" for name in given if name not in fields}
    for name, field in fields.items():
        value = given.get(name)
        filled[name], problem = _value(field, field.default if value is None else value)
        if problem is not None:
            problems[name] = problem
    return filled, problems


def _value(field: Field, value: Any) -> tuple[Any, str | Problems | None]:
    if value is None:
        return None, "required field missing" if field.required else None
    if field.referenceable and is_reference(value):
        return value, None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text, is_right_type = _EXPECTED[field.type]
    if not is_right_type(value):
        return value, text
    if field.type == "record":
        filled, problems = _record(field.fields or {}, value)
        return filled, problems or None
    if field.type == "map" and field.elements is not None:
        return _map(field, field.elements, value)
    if field.type in ("array", "set") and field.elements is not None:
        return _array(field, field.elements, value)
    return value, _scalar_problem(field, value)


def _array(field: Field, element: Field, values: list[Any]) -> tuple[list[Any], Problems | None]:
    # Kong takes null here and fails on requests.
    checked = [(None, "required field missing") if value is None else _value(element, value) for value in values]
    problems = {str(index): problem for index, (_, problem) in enumerate(checked, 1) if problem is not None}
    found = [value for value, _ in checked]
    # What stands twice in a set counts once; elements that are right can be compared.
    return list(dict.fromkeys(found)) if field.type == "set" and not problems else found, problems or None


def _map(field: Field, element: Field, values: Mapping[str, Any]) -> tuple[JsonObject, str | Problems | None]:
    """Kong tells what is wrong with a value as a problem of the map."""
    if len(values) < field.len_min:
        return {}, f"length must be at least {field.len_min}"
    checked = {
        name: (None, "required field missing") if value is None else _value(element, value)
        for name, value in values.items()
    }
    problem = next((checked[name][1] for name in sorted(checked) if checked[name][1] is not None), None)
    return {name: value for name, (value, _) in checked.items()}, problem


def _scalar_problem(field: Field, value: Any) -> str | None:
    if field.one_of and value not in field.one_of:
        return f"expected one of: {', '.join(field.one_of)}"
    if field.greater_than is not None and value <= field.greater_than:
        return f"value must be greater than {_plain(field.greater_than)}"
    if field.between is not None and not field.between[0] <= value <= field.between[1]:
        return f"value should be between {_plain(field.between[0])} and {_plain(field.between[1])}"
    if isinstance(value, str) and len(value) < field.len_min:
        return f"length must be at least {field.len_min}"
    return field.check(value) if field.check else None


def _plain(number: float) -> str:
    """Without an exponent."""
    return str(int(number)) if float(number).is_integer() else str(number)
