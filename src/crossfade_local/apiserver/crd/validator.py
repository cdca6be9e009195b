"""Checks custom resources against their schema, in the words of Kubernetes' validator."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd import cel, patterns
from crossfade_local.apiserver.crd.formats import FORMATS
from crossfade_local.apiserver.crd.schemas import openapi_schema
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.validation.errors import (
    OMITTED,
    ROOT,
    ErrorType,
    FieldError,
    duplicate,
    invalid,
    listed,
    not_supported,
    required,
    too_many,
)
from crossfade_local.apiserver.values.copies import COMPOSITES
from crossfade_local.apiserver.values.gotext import number, plain, to_json

_BLOCKING: Final = frozenset(
    {
        ErrorType.NOT_SUPPORTED,
        ErrorType.REQUIRED,
        ErrorType.TOO_LONG,
        ErrorType.TOO_MANY,
        ErrorType.TYPE_INVALID,
    }
)
_NOT_CHECKED: Final = FieldError(
    ErrorType.INVALID,
    ROOT,
    None,
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete"
    " validation",
)
_PYTHON_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "integer": (int, float),
}
_PLAIN_TYPES: Final[dict[str, frozenset[type]]] = {
    "string": frozenset({str}),
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
}
_UNIQUE: Final = frozenset({"map", "set"})


class Checked(NamedTuple):
    """Faults apart from rules, and what the rules are still to be evaluated with: (schema, object), or None."""

    errors: list[FieldError]
    rules: tuple[JsonObject, JsonObject] | None


def checked(resource: ResourceType, new: JsonObject, *, subresource: str = "") -> Checked:
    """Faults of an object: of shape, and of lists that are sets or maps."""
    assert resource.custom is not None
    schema = openapi_schema(resource.custom.version)
    whole = new
    if subresource == "status":
        # The rest is as it was stored; it may have been valid only under an older schema.
        kept = {key: value for key, value in schema.get("properties", {}).items() if key == "status"}
        schema = {**schema, "properties": kept, "required": []}
        new = {key: new[key] for key in ("apiVersion", "kind", "metadata", "status") if key in new}
    errors = value_errors(schema, new, "")
    if not cel.has_rules(schema):
        return Checked(errors, None)
    if any(error.type in _BLOCKING for error in errors):
        return Checked([*errors, _NOT_CHECKED], None)
    # A rule at the top may look at every field, also where only the status is written.
    return Checked(errors, (schema, whole))


def value_errors(schema: JsonObject, value: Any, path: str) -> list[FieldError]:
    """Faults of one value, CEL apart."""
    walk = _Walk()
    return listed(chain(walk.check(schema, value, path), walk.list_types(schema, value, path)))


class _Place(NamedTuple):
    """What there is to know of a place in a schema before its values are looked at."""

    keywords: tuple["_Keyword", ...]
    plain: frozenset[type]
    """Scalar types whose values all fit."""
    empty: frozenset[type]
    """Types whose empty values fit."""


class _Walk:
    """Through one value, along a schema that stays in place meanwhile."""

    def __init__(self) -> None:
        self._places: dict[int, _Place] = {}
        self._with_list_types: dict[int, bool] = {}

    def check(self, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
        if value is None:
            if schema.get("nullable") or not schema.get("type"):
                return
            yield _wrong_type(schema["type"], value, path)
            return
        if not _has_type(schema, value):
            kind = "integer,string" if schema.get("x-kubernetes-int-or-string") else schema["type"]
            yield _wrong_type(kind, value, path)
            return
        for check in self._place(schema).keywords:
            yield from check(self, schema, value, path)
        if isinstance(value, dict):
            yield from self._fields(schema, value, path)
        elif isinstance(value, list) and isinstance(schema.get("items"), dict):
            yield from self._items(schema["items"], value, path)

    def _fields(self, schema: JsonObject, value: JsonObject, path: str) -> Iterator[FieldError]:
        properties = schema.get("properties") or {}
        values = schema.get("additionalProperties")
        for key, inner in value.items():
            if not path and key in ("metadata", "apiVersion", "kind"):
                continue
            part = properties.get(key, values)
            if isinstance(part, dict) and not self._fits(part, inner):
                yield from self.check(part, inner, f"{path}.{key}" if path else key)

    def _items(self, schema: JsonObject, value: list[Any], path: str) -> Iterator[FieldError]:
        if self._place(schema).plain.issuperset(map(type, value)):
            return
        for index, item in enumerate(value):
            if not self._fits(schema, item):
                yield from self.check(schema, item, f"{path}[{index}]")

    def _fits(self, schema: JsonObject, value: Any) -> bool:
        """True of most values that have no faults, at little cost."""
        place = self._place(schema)
        return type(value) in place.plain or (not value and type(value) in place.empty)

    def _place(self, schema: JsonObject) -> _Place:
        found = self._places.get(id(schema))
        if found is None:
            found = self._places[id(schema)] = _place_of(schema)
        return found

    def list_types(self, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
        """Items of sets, and the keys of items of maps, occur once."""
        if not value or not self._has_list_types(schema):
            return
        if isinstance(value, dict):
            properties = schema.get("properties") or {}
            values = schema.get("additionalProperties")
            for key, inner in value.items():
                part = properties.get(key, values)
                if isinstance(part, dict):
                    yield from self.list_types(part, inner, f"{path}.{key}" if path else key)
        elif isinstance(value, list) and isinstance(schema.get("items"), dict):
            yield from _doubles(schema, value, path)
            if self._has_list_types(schema["items"]):
                for index, item in enumerate(value):
                    yield from self.list_types(schema["items"], item, f"{path}[{index}]")

    def _has_list_types(self, schema: JsonObject) -> bool:
        """Of a list in it, or of itself."""
        found = self._with_list_types.get(id(schema))
        if found is None:
            parts = [
                *(schema.get("properties") or {}).values(),
                schema.get("additionalProperties"),
                schema.get("items"),
            ]
            found = schema.get("x-kubernetes-list-type") in _UNIQUE or any(
                self._has_list_types(part) for part in parts if isinstance(part, dict)
            )
            self._with_list_types[id(schema)] = found
        return found


def _place_of(schema: JsonObject) -> _Place:
    keywords = tuple(check for keyword, check in _KEYWORDS.items() if keyword in schema)
    if keywords:
        return _Place(keywords, frozenset(), frozenset())
    if schema.get("x-kubernetes-int-or-string"):
        return _Place((), frozenset({int, str}), frozenset())
    kind = schema.get("type")
    if not kind:
        return _Place((), frozenset({bool, int, float, str}), COMPOSITES)
    return _Place((), _PLAIN_TYPES.get(kind, frozenset()), COMPOSITES.intersection(_PYTHON_TYPES.get(kind, ())))


def _has_type(schema: JsonObject, value: Any) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, int | str) and not isinstance(value, bool)
    kind = schema.get("type")
    if not kind:
        return True
    if isinstance(value, bool):
        return bool(kind == "boolean")
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _PYTHON_TYPES.get(kind, (object,)))


def _wrong_type(wanted: str, value: Any, path: str) -> FieldError:
    got = _type_name(value)
    return FieldError(ErrorType.TYPE_INVALID, path or ROOT, got, f'{_label(path)} must be of type {wanted}: "{got}"')


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "integer", float: "number", type(None): "null"}
    return names[type(value)]


def _label(path: str) -> str:
    return f"{path} in body" if path else "in body"


def _said(path: str, value: Any, what: str) -> FieldError:
    return invalid(path or ROOT, value, f"{_label(path)} {what}")


def _enum(_: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if value not in schema["enum"]:
        yield not_supported(
            path or ROOT, value, [item if isinstance(item, str) else plain(item) for item in schema["enum"]]
        )


def _required(_: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if isinstance(value, dict):
        for name in schema["required"]:
            if name not in value:
                yield required(f"{path}.{name}" if path else name)


def _bounds(_: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
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


def _only_minimum(walk: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if "maximum" not in schema:
        yield from _bounds(walk, schema, value, path)


def _multiple_of(_: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    step = schema["multipleOf"]
    if isinstance(value, int | float) and not isinstance(value, bool):
        ratio = value / step
        if abs(ratio - round(ratio)) > 1e-9:
            yield _said(path, value, f"should be a multiple of {number(step)}")


def _length(_: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(value, str):
        return
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        text = f"may not be more than {longest} bytes"
        yield FieldError(ErrorType.TOO_LONG, path or ROOT, OMITTED, text)
    if shortest is not None and len(value) < shortest:
        yield _said(path, value, f"should be at least {shortest} chars long")


def _only_shortest(walk: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if "maxLength" not in schema:
        yield from _length(walk, schema, value, path)


def _pattern(_: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if isinstance(value, str) and not patterns.matches(schema["pattern"], value):
        yield _said(path, value, f"should match '{schema['pattern']}'")


def _format(_: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    check = FORMATS.get(schema["format"])
    if check is not None and isinstance(value, str) and not check(value):
        text = f'{_label(path)} must be of type {schema["format"]}: "{value}"'
        yield FieldError(ErrorType.INVALID, path or ROOT, value, text)


def _item_count(_: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(value, list):
        return
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        yield too_many(path or ROOT, len(value), most)
    if least is not None and len(value) < least:
        yield _said(path, len(value), f"should have at least {least} items")


def _only_least(walk: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if "maxItems" not in schema:
        yield from _item_count(walk, schema, value, path)


def _property_count(_: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(value, dict):
        return
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        yield too_many(path or ROOT, len(value), most)
    if least is not None and len(value) < least:
        yield _said(path, len(value), f"should have at least {least} properties")


def _only_fewest(walk: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if "maxProperties" not in schema:
        yield from _property_count(walk, schema, value, path)


def _all_of(walk: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    for part in schema["allOf"]:
        found = list(walk.check(part, value, path))
        yield from found
        if found:
            yield _composite(path, "must validate all the schemas (allOf)")


def _any_of(walk: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    results = [list(walk.check(part, value, path)) for part in schema["anyOf"]]
    if all(results):
        yield _composite(path, "must validate at least one schema (anyOf)")
        yield from min(results, key=len)


def _one_of(walk: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    results = [list(walk.check(part, value, path)) for part in schema["oneOf"]]
    fitting = sum(not found for found in results)
    if fitting != 1:
        found = "Found none valid" if fitting == 0 else f"Found {fitting} valid alternatives"
        yield _composite(path, f"must validate one and only one schema (oneOf). {found}")
        if fitting == 0:
            yield from min(results, key=len)


def _not(walk: _Walk, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
    if not list(walk.check(schema["not"], value, path)):
        yield _composite(path, "must not validate the schema (not)")


def _composite(path: str, what: str) -> FieldError:
    return FieldError(ErrorType.INVALID, path or ROOT, "", f'"{path}" {what}')


_Keyword = Callable[[_Walk, JsonObject, Any, str], Iterator[FieldError]]
_KEYWORDS: Final[dict[str, _Keyword]] = {
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


def _doubles(schema: JsonObject, value: list[Any], path: str) -> Iterator[FieldError]:
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    if kind not in _UNIQUE:
        return
    times: dict[str, int] = {}
    for index, item in enumerate(value):
        mark = {key: item[key] for key in keys if key in item} if kind == "map" and isinstance(item, dict) else item
        text = to_json(mark)
        times[text] = times.get(text, 0) + 1
        if times[text] == 2:
            yield duplicate(f"{path}[{index}]", mark)
