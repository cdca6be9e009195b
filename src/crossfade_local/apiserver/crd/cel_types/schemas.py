"""The types that schemas give to what expressions see of an object, with how large it can become.

What preserves unknown fields is seen only as far as its properties are known; where nothing is, a value has no type and
expressions do not see it. Sizes are what the estimate of an expression's cost begins with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.cel_language.names import RESERVED, identifier_of
from crossfade_local.apiserver.crd.cel_types import types
from crossfade_local.apiserver.crd.cel_types.types import Kind, Type

LARGEST_REQUEST: Final = 3 * 1024 * 1024
"""Bytes."""
_QUOTES: Final = 2
_RUNE: Final = 4
"""Bytes of the longest character."""
_FORMATS: Final = {
    "byte": types.BYTES,
    "duration": types.DURATION,
    "date": types.TIMESTAMP,
    "date-time": types.TIMESTAMP,
}
_SMALLEST: Final = {"byte": 2, "duration": 3, "date": 12, "date-time": 21}
_LONGEST: Final = {"duration": 32, "date": 12, "date-time": 32}
_TEXT: Final[JsonObject] = {"type": "string"}
_METADATA: Final[JsonObject] = {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}}
_OF_EVERY_OBJECT: Final[JsonObject] = {"kind": _TEXT, "apiVersion": _TEXT, "metadata": _METADATA}


@dataclass(frozen=True, slots=True)
class Declared:
    type: Type
    """Of a list, a map or an object only the kind."""
    smallest: int
    """Bytes of JSON."""
    most: int = 0
    """Items, entries or characters."""
    items: "Declared | None" = None
    """Or values."""
    fields: Mapping[str, "Declared"] = field(default_factory=dict)
    """By the identifiers that stand for them."""

    def named(self, name: str) -> Type:
        """The type in full: objects are told apart by where they are."""
        if self.type.kind is Kind.OBJECT:
            return Type(name, Kind.OBJECT, field_named=lambda one: self._field_named(name, one))
        if self.items is None:
            return self.type
        if self.type.kind is Kind.MAP:
            return types.map_of(types.STRING, self.items.named(f"{name}.@elem"))
        return types.list_of(self.items.named(f"{name}.@idx"))

    def _field_named(self, name: str, one: str) -> Type | None:
        found = self.fields.get(one) or self.fields.get(f"__{one}__" if one in RESERVED else "")
        return found.named(f"{name}.{one}") if found else None


_LIST: Final = Type("list", Kind.LIST)
_MAP: Final = Type("map", Kind.MAP)
_OBJECT: Final = Type("object", Kind.OBJECT)
_SIMPLE: Final = {
    "boolean": Declared(types.BOOL, smallest=4),
    "number": Declared(types.DOUBLE, smallest=1),
    "integer": Declared(types.INT, smallest=1),
}


class Declarations:
    """Of the parts of a structural schema, each made once."""

    def __init__(self) -> None:
        self._found: dict[int, Declared | None] = {}

    def of(self, schema: Any, *, is_whole_object: bool = False) -> Declared | None:
        """None for what expressions do not see. What is embedded is a whole object, too."""
        if not isinstance(schema, dict):
            return None
        if id(schema) not in self._found:
            is_whole = is_whole_object or bool(schema.get("x-kubernetes-embedded-resource"))
            self._found[id(schema)] = self._made(schema, is_whole_object=is_whole)
        return self._found[id(schema)]

    def _made(self, schema: JsonObject, *, is_whole_object: bool) -> Declared | None:
        if schema.get("x-kubernetes-int-or-string"):
            most = _characters(schema) if schema.get("maxLength") is not None else LARGEST_REQUEST - _QUOTES
            return Declared(types.DYN, smallest=1, most=most)
        properties = schema.get("properties") or {}
        if is_whole_object:
            properties = _with_metadata(properties)
        match schema.get("type"):
            case "array":
                return self._list(schema)
            case "object" if isinstance(schema.get("additionalProperties"), dict):
                return self._map(schema)
            case "object":
                return self._object(properties, set(schema.get("required") or ()))
            case "string":
                return _text(schema)
        return _SIMPLE.get(str(schema.get("type")))

    def _list(self, schema: JsonObject) -> Declared | None:
        items = self.of(schema.get("items"))
        if items is None:
            return None
        most = schema.get("maxItems")
        if most is None:
            most = (LARGEST_REQUEST - 2) // (items.smallest + 1)
        return Declared(_LIST, smallest=2, most=max(most, 0), items=items)

    def _map(self, schema: JsonObject) -> Declared | None:
        values = self.of(schema["additionalProperties"])
        if values is None:
            return None
        most = schema.get("maxProperties")
        if most is None:
            most = (LARGEST_REQUEST - 2) // (values.smallest + 6)
        return Declared(_MAP, smallest=2, most=max(most, 0), items=values)

    def _object(self, properties: JsonObject, required: set[str]) -> Declared:
        fields, smallest = {}, 2
        for name, schema in properties.items():
            found = self.of(schema)
            if found is None:
                continue
            if identifier := identifier_of(name):
                fields[identifier] = found
            if name in required and schema.get("default") is None:
                smallest += len(name.encode()) + found.smallest + 4
        return Declared(_OBJECT, smallest=smallest, fields=fields)


def _with_metadata(properties: JsonObject) -> JsonObject:
    own = (properties.get("metadata") or {}).get("properties") or {}
    texts = (properties.get("kind"), properties.get("apiVersion"), own.get("name"), own.get("generateName"))
    if all(isinstance(one, dict) and one.get("type") == "string" for one in texts):
        return properties
    return {**properties, **_OF_EVERY_OBJECT}


def _text(schema: JsonObject) -> Declared:
    form = schema.get("format")
    if form in _LONGEST:
        return Declared(_FORMATS[form], smallest=_SMALLEST[form], most=_LONGEST[form])
    most = LARGEST_REQUEST - _QUOTES
    if form == "byte":
        longest = schema.get("maxLength")
        return Declared(types.BYTES, smallest=_SMALLEST[form], most=most if longest is None else max(longest, 0))
    if schema.get("maxLength") is not None:
        most = _characters(schema)
    elif schema.get("enum"):
        most = max((len(one.encode()) for one in schema["enum"] if isinstance(one, str)), default=0)
    return Declared(types.STRING, smallest=_QUOTES, most=most)


def _characters(schema: JsonObject) -> int:
    return max(int(schema["maxLength"]), 0) * _RUNE
