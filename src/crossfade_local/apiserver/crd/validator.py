"""Checks custom resources against their schema, in the words of Kubernetes' validator."""

import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd import cel, patterns
from crossfade_local.apiserver.crd.keywords import KEYWORDS, Keyword, TooCostlyError, label
from crossfade_local.apiserver.crd.schemas import openapi_schema
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.validation.errors import OMITTED, ROOT, ErrorType, FieldError, duplicate, listed
from crossfade_local.apiserver.values.copies import COMPOSITES
from crossfade_local.apiserver.values.gotext import to_json

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
_MOST_LOOKS: Final = 300_000
"""At values by one of several schemas: about half a second."""
_MOST_STEPS: Final = 30_000_000
"""Of RE2 at worst, which goes through all states of a pattern for each character: about half a second."""
_PATTERNS_S: Final = 0.5
_UNIQUE: Final = frozenset({"map", "set"})


class Ruled(NamedTuple):
    """An object whose shape is right, and the rules that it has yet to follow."""

    schema: JsonObject
    object: JsonObject
    rules: list[str]


class Checked(NamedTuple):
    """Faults apart from rules, and what is left to be evaluated."""

    errors: list[FieldError]
    ruled: Ruled | None


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
    rules = list(cel.rules_of(schema))
    if not rules:
        return Checked(errors, None)
    if any(error.type in _BLOCKING for error in errors):
        return Checked([*errors, _NOT_CHECKED], None)
    # A rule at the top may look at every field, also where only the status is written.
    return Checked(errors, Ruled(schema, whole, rules))


def value_errors(schema: JsonObject, value: Any, path: str, walk: "Walk | None" = None) -> list[FieldError]:
    """Faults of one value, CEL apart. What may be done for all those of one `walk` is as much as for one value."""
    walk = walk or Walk()
    try:
        return listed(chain(walk.check(schema, value, path), walk.list_types(schema, value, path)))
    except TooCostlyError as error:
        return [FieldError(ErrorType.TOO_MANY, error.path or ROOT, OMITTED, str(error))]


class _Place(NamedTuple):
    """What there is to know of a place in a schema before its values are looked at."""

    keywords: tuple[Keyword, ...]
    plain: frozenset[type]
    """Scalar types whose values all fit."""
    empty: frozenset[type]
    """Types whose empty values fit."""


class Walk:
    """Through values, along schemas that stay in place meanwhile."""

    def __init__(self) -> None:
        self._places: dict[int, _Place] = {}
        self._with_list_types: dict[int, bool] = {}
        self._sets: dict[int, frozenset[Any] | None] = {}
        self._alternatives = 0
        self._left = _MOST_LOOKS
        self._left_s = _PATTERNS_S

    def check(self, schema: JsonObject, value: Any, path: str) -> Iterator[FieldError]:
        """Raises TooCostlyError."""
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

    def errors(self, schema: JsonObject, value: Any, path: str) -> list[FieldError]:
        """Of a value by a schema that is one of several for it, each of which may go through all that is in it."""
        self._alternatives += 1
        found = list(self.check(schema, value, path))
        self._alternatives -= 1
        self._look(1 + len(found), path)
        return found

    def _look(self, times: int, path: str) -> None:
        self._left -= times
        if self._left < 0:
            raise TooCostlyError(path, "the schema has more alternatives for the value than can be looked at")

    def is_among(self, value: Any, values: list[Any], path: str) -> bool:
        if id(values) not in self._sets:
            is_plain = all(type(one) not in COMPOSITES for one in values)
            self._sets[id(values)] = frozenset(values) if is_plain else None
        allowed = self._sets[id(values)]
        if allowed is None:
            self._look(len(values), path)
            return value in values
        if type(value) not in COMPOSITES and value in allowed:
            return True
        if self._alternatives:
            # All of them are listed in the error.
            self._look(len(values), path)
        return False

    def matches(self, value: str, pattern: str, path: str) -> bool:
        began = time.thread_time()
        # The first look at a pattern compiles it.
        is_dear = self._left_s < 0 or patterns.steps(pattern, value) > _MOST_STEPS
        found = not is_dear and patterns.matches(pattern, value)
        self._left_s -= time.thread_time() - began
        if is_dear:
            raise TooCostlyError(path, f"takes too long to be matched against '{pattern}'")
        return found

    def _fields(self, schema: JsonObject, value: JsonObject, path: str) -> Iterator[FieldError]:
        if self._alternatives:
            self._look(len(value), path)
        properties = schema.get("properties") or {}
        values = schema.get("additionalProperties")
        for key, inner in value.items():
            if not path and key in ("metadata", "apiVersion", "kind"):
                continue
            part = properties.get(key, values)
            if isinstance(part, dict) and not self._fits(part, inner):
                yield from self.check(part, inner, f"{path}.{key}" if path else key)

    def _items(self, schema: JsonObject, value: list[Any], path: str) -> Iterator[FieldError]:
        if self._alternatives:
            self._look(len(value), path)
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
    keywords = tuple(check for keyword, check in KEYWORDS.items() if keyword in schema)
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
    return FieldError(ErrorType.TYPE_INVALID, path or ROOT, got, f'{label(path)} must be of type {wanted}: "{got}"')


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "integer", float: "number", type(None): "null"}
    return names[type(value)]


def _doubles(schema: JsonObject, value: list[Any], path: str) -> Iterator[FieldError]:
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    if kind not in _UNIQUE:
        return
    marks = [_marked(item, keys) for item in value] if kind == "map" else [_marked(item, ()) for item in value]
    if len(set(marks)) == len(marks):
        return
    times: dict[Any, int] = {}
    for index, (item, mark) in enumerate(zip(value, marks, strict=True)):
        times[mark] = times.get(mark, 0) + 1
        if times[mark] == 2:
            shown = (
                {key: item[key] for key in keys if key in item} if kind == "map" and isinstance(item, dict) else item
            )
            yield duplicate(f"{path}[{index}]", shown)


def _marked(item: Any, keys: Sequence[str]) -> Any:
    """What tells an item from others; of a map's item its keys do."""
    if keys and isinstance(item, dict):
        texts = tuple(map(item.get, keys))
        if all(type(text) is str for text in texts):
            return texts
        item = {key: item[key] for key in keys if key in item}
    return item if type(item) is str else (to_json(item), None)
