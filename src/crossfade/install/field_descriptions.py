"""Words of `kubectl explain` for the fields of our kinds: most fields stand in many places and have one description."""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

from crossfade_kube import yaml_texts
from crossfade_kube.meta import JsonObject

# The API server has words of its own for these, and takes none for `metadata`.
_OF_ALL_OBJECTS: Final = frozenset({"apiVersion", "kind", "metadata"})


def add_descriptions(crd: JsonObject) -> JsonObject:
    """The CustomResourceDefinition itself, with words for what had none."""
    kind: str = crd["spec"]["names"]["kind"]
    for version in crd["spec"]["versions"]:
        for path, schema in _schemas(version["schema"]["openAPIV3Schema"], (kind,)):
            if "description" not in schema and (words := _description(path)):
                # First, where a reader looks for it.
                fields = dict(schema)
                schema.clear()
                schema.update({"description": words, **fields})
    return crd


def undescribed(crd: JsonObject) -> list[str]:
    """Paths of fields that `kubectl explain` has no words for."""
    kind: str = crd["spec"]["names"]["kind"]
    return [
        ".".join(path)
        for version in crd["spec"]["versions"]
        for path, schema in _schemas(version["schema"]["openAPIV3Schema"], (kind,))
        if not schema.get("description")
    ]


def _schemas(schema: JsonObject, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], JsonObject]]:
    """The schema and those of all fields below; elements of lists and maps have the path of their list or map."""
    yield path, schema
    yield from _fields(schema, path)


def _fields(schema: JsonObject, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], JsonObject]]:
    for name, field in (schema.get("properties") or {}).items():
        if len(path) > 1 or name not in _OF_ALL_OBJECTS:
            yield from _schemas(field, (*path, name))
    for word in ("items", "additionalProperties"):
        if isinstance(elements := schema.get(word), dict):
            yield from _fields(elements, path)


def _description(path: tuple[str, ...]) -> str:
    parts = [_camel(part) for part in path]
    ends = (".".join(parts[start:]) for start in range(len(parts)))
    return next((known_descriptions()[end] for end in ends if end in known_descriptions()), "")


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


@cache
def known_descriptions() -> dict[str, str]:
    """By the end of a field's path."""
    loaded: Any = yaml_texts.load(files("crossfade.install").joinpath("field_descriptions.yaml").read_text("utf-8"))
    return {str(end): str(words) for end, words in loaded.items()}
