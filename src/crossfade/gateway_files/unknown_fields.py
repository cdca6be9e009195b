"""Fields that a structural schema does not name: what an API server drops in silence, mostly misspelt."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

_FREE: Final = "x-kubernetes-preserve-unknown-fields"
# As every object has them, whatever the schema says.
_OF_ALL: Final = frozenset({"apiVersion", "kind", "metadata"})
_SPEC: Final = "spec"


class UnknownField(NamedTuple):
    """`path` is a JSON path; `hint` says what may have been meant."""

    path: str
    hint: str


def unknown_fields(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[UnknownField]:
    """In the document's order; of an unknown field its own path, not those within."""
    properties = schema.get("properties", {})
    for name, value in document.items():
        if name in _OF_ALL:
            continue
        if name not in properties:
            yield UnknownField(str(name), _hint(name, properties, is_top=True))
        else:
            yield from _within(value, properties[name], str(name))


def _within(value: Any, schema: dict[str, Any], path: str) -> Iterator[UnknownField]:
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
                yield UnknownField(here, _hint(name, properties))


def _hint(name: Any, properties: dict[str, Any], *, is_top: bool = False) -> str:
    if is_top and name == _SPEC:
        own = sorted(set(properties) - _OF_ALL - {"status"})
        return f"this kind has no spec: write {', '.join(own)} at the top level"
    nearest = get_close_matches(str(name), [each for each in properties if each != "status"], n=1)
    return f"did you mean {nearest[0]}?" if nearest else "correct its name or remove it"
