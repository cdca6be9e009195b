"""Which values fields of the built-in kinds may have: shown by `kubectl explain`, judged by nobody but validation."""

from functools import cache
from importlib import resources
from typing import Any

from crossfade_kube.meta import JsonObject


def with_enumerations(definition: str, schema: JsonObject) -> JsonObject:
    """A copy of the definition's schema that names them."""
    found = _table().get(definition)
    if found is None or "properties" not in schema:
        return schema
    properties = dict(schema["properties"])
    for field, values in found.items():
        name = field.removesuffix("[]")
        if name in properties:
            properties[name] = _named(properties[name], values, of_items=field != name)
    return {**schema, "properties": properties}


def _named(schema: Any, values: list[str], *, of_items: bool) -> JsonObject:
    return {**schema, "items": {**schema["items"], "enum": values}} if of_items else {**schema, "enum": values}


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    text = resources.files(__package__).joinpath("enumerations.txt").read_text(encoding="utf-8")
    table: dict[str, dict[str, list[str]]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            definition, field, values = line.split(" ", 2)
            table.setdefault(definition, {})[field] = values.split("|")
    return table
