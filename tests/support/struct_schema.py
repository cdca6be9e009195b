"""A struct as the schema that `hostile.value` reads: what we decode of a kind, whatever its definition says."""

from collections.abc import Iterable
from typing import Any

import msgspec

from crossfade_kube.meta import JsonObject


def struct_schema(kind: type[Any], *, without: frozenset[str], keys: Iterable[str]) -> JsonObject:
    """`without` are fields at the top; `keys` are those of mappings from texts to something."""
    (schema,), definitions = msgspec.json.schema_components([kind], ref_template="{name}")
    found = _plain(schema, definitions, tuple(keys))
    properties = {name: part for name, part in found["properties"].items() if name not in without}
    required = [name for name in found.get("required", ()) if name not in without]
    return {"type": "object", "properties": properties, "required": required}


def _plain(schema: JsonObject, definitions: JsonObject, keys: tuple[str, ...]) -> JsonObject:
    """Without references and alternatives: of several types the first that is not null."""
    if "$ref" in schema:
        return _plain(definitions[schema["$ref"]], definitions, keys)
    if "anyOf" in schema:
        given = next(part for part in schema["anyOf"] if part.get("type") != "null")
        return _plain(given, definitions, keys)
    if "items" in schema and schema["items"] is not False:
        return {"type": "array", "items": _plain(schema["items"], definitions, keys)}
    if isinstance(schema.get("additionalProperties"), dict):
        part = _plain(schema["additionalProperties"], definitions, keys)
        return {"type": "object", "properties": dict.fromkeys(keys, part)}
    if "properties" in schema:
        properties = {name: _plain(part, definitions, keys) for name, part in schema["properties"].items()}
        return {"type": "object", "properties": properties, "required": schema.get("required", [])}
    return {"type": schema.get("type", "object")}
