"""Which values fields of the built-in kinds may have: shown by `kubectl explain`, judged by nobody but validation."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from crossfade_kube.meta import JsonObject

Values = dict[str, str]
"""Each with what it stands for, if that is known."""


def with_enumerations(definition: str, schema: JsonObject) -> JsonObject:
    """A copy of the definition's schema that names them."""
    found = enumerations().get(definition)
    if found is None or "properties" not in schema:
        return schema
    properties = dict(schema["properties"])
    for field, values in found.items():
        name = field.removesuffix("[]")
        if name in properties:
            properties[name] = _named(properties[name], values, of_items=field != name)
    return {**schema, "properties": properties}


def _named(schema: Any, values: Values, *, of_items: bool) -> JsonObject:
    if of_items:
        return {**schema, "items": {**schema["items"], "enum": list(values)}}
    lines = (f"\n - `{json.dumps(value)}` {meaning}".rstrip() for value, meaning in values.items())
    described = schema.get("description", "") + "\n\nPossible enum values:" + "".join(lines)
    return {**schema, "enum": list(values), "description": described}


@cache
def enumerations() -> Mapping[str, Mapping[str, Values]]:
    """By definition and field, with `[]` behind it where it is a list of them; values in order."""
    text = resources.files(__package__).joinpath("enumerations.txt").read_text(encoding="utf-8")
    values: dict[str, Values] = {}
    fields: list[tuple[str, str, str]] = []
    decoder = json.JSONDecoder()
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if rest.startswith('"'):
            value, end = decoder.raw_decode(rest)
            values.setdefault(name, {})[value] = rest[end:].strip()
        elif name != "#":
            field, _, enumeration = rest.partition(" ")
            fields.append((name, field, enumeration))
    found: dict[str, dict[str, Values]] = {}
    for definition, field, enumeration in fields:
        found.setdefault(definition, {})[field] = dict(sorted(values[enumeration].items()))
    return found
