"""Objects as sets of paths, for models of patches: from the words of Kubernetes' documentation, slow and plain.

A path is spelled as `managedFields` spells it: `f:name`, `k:{"name":"x"}`, `v:"text"`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Path = tuple[str, ...]
CONTAINER: Final = "a container"
"""Stands for a value whose parts have paths of their own."""


@dataclass(frozen=True)
class Leaf:
    """A scalar, or what is owned and replaced as a whole."""

    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Struct:
    fields: Mapping[str, "Shape"]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> dict[str, Any]:
        properties = {name: dict(shape.schema) for name, shape in self.fields.items()}
        for name, value in self.defaults.items():
            properties[name]["default"] = value
        return {"type": "object", "properties": properties}


@dataclass(frozen=True)
class Map:
    values: "Shape"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": dict(self.values.schema)}


@dataclass(frozen=True)
class SetOf:
    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}


@dataclass(frozen=True)
class ListMap:
    keys: tuple[str, ...]
    items: Struct

    @property
    def schema(self) -> dict[str, Any]:
        marks = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(self.keys)}
        return {"type": "array", "items": self.items.schema, **marks}

    def element(self, item: Mapping[str, Any]) -> str:
        known = {key: item.get(key, self.items.defaults.get(key)) for key in self.keys}
        return "k:" + _json({key: value for key, value in known.items() if value is not None})


Shape = Leaf | Struct | Map | SetOf | ListMap


def flat(shape: Shape, value: Any, path: Path = ()) -> dict[Path, Any]:
    """Every part of a value by its path."""
    found: dict[Path, Any] = {}
    match shape:
        case Leaf():
            return {path: value}
        case Struct() | Map():
            for name, inner in value.items():
                below = shape.fields[name] if isinstance(shape, Struct) else shape.values
                found |= flat(below, inner, (*path, f"f:{name}"))
        case SetOf():
            found = {(*path, "v:" + _json(item)): item for item in value}
        case ListMap():
            for item in value:
                found |= flat(shape.items, item, (*path, shape.element(item)))
    return {path: CONTAINER, **found} if path else found


def is_declared(shape: Shape, path: Path) -> bool:
    """Whether a path ends in a field of a struct, not in an item or a key of a map."""
    for index, element in enumerate(path):
        is_last = index == len(path) - 1
        match shape:
            case Struct():
                if is_last:
                    return True
                shape = shape.fields[element[2:]]
            case Map():
                if is_last:
                    return False
                shape = shape.values
            case ListMap():
                if is_last:
                    return False
                shape = shape.items
            case _:
                return False
    return False


def children(found: Mapping[Path, Any], path: Path) -> list[Path]:
    return [other for other in found if len(other) > len(path) and other[: len(path)] == path]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
