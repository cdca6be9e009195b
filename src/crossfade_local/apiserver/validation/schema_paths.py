"""Paths to fields, as schemas and CustomResourceDefinitions write them: `.spec.x`, `.spec['x']`."""

import re
from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.values.fields import mapping

_TOKENS: Final = re.compile(r"'[^']*'|[.\[\]]|[^.\[\]]+")
_NO_FIELD: Final = "does not refer to a valid field"
_ENDS: Final = "unexpected end of JSON path"


class PathError(ValueError):
    """It leads nowhere; the text says why."""


def field_at(schema: JsonObject, path: str) -> JsonObject:
    """The schema of the field. Raises PathError."""
    tokens = iter(_TOKENS.findall(path))
    for token in tokens:
        schema = _inner(schema, _name(token, tokens))
    return schema


def _name(mark: str, following: Iterator[str]) -> str:
    if mark not in (".", "["):
        raise PathError(f"expected [ or . but got: {mark}")
    name = next(following, None)
    if name is None:
        raise PathError(_ENDS)
    if mark == ".":
        if name in ".[]":
            raise PathError(f"unexpected token: {name}")
        return name
    if len(name) < 3 or name[0] != "'" or name[-1] != "'":
        raise PathError(
            f"array index {name} is not allowed"
            if name.isdecimal()
            else f"expected single quoted string but got {name}"
        )
    if next(following, None) != "]":
        raise PathError("expected ]")
    return name[1:-1]


def _inner(schema: JsonObject, name: str) -> JsonObject:
    found = mapping(schema, "properties").get(name)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        found = schema["additionalProperties"]
    if not isinstance(found, dict):
        raise PathError(_NO_FIELD)
    return found
