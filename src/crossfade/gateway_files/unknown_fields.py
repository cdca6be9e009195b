"""Fields that a structural schema does not name: what an API server drops in silence, mostly misspelt."""

from collections.abc import Iterator
from typing import Any, Final

_FREE: Final = "x-kubernetes-preserve-unknown-fields"
# As every object has them, whatever the schema says.
_OF_ALL: Final = frozenset({"apiVersion", "kind", "metadata"})


def unknown_fields(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """JSON paths, in the document's order; of an unknown field its own, not those within."""
    properties = schema.get("properties", {})
    for name, value in document.items():
        if name in _OF_ALL:
            continue
        if name not in properties:
            yield str(name)
        else:
            yield from _within(value, properties[name], str(name))


def _within(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    if isinstance(value, list):
        items = schema.get("items")
        for index, item in enumerate(value if isinstance(items, dict) else ()):
            yield from _within(item, schema["items"], f"{path}[{index}]")
    elif isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            here = f"{path}.{name}"
            if name in properties:
                yield from _within(item, properties[name], here)
            elif isinstance(rest, dict):
                yield from _within(item, rest, here)
            elif properties and not rest and not schema.get(_FREE):
                yield here
