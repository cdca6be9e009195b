"""Copies of JSON values: of nothing that holds itself or is in two places, which is what makes `copy.deepcopy` slow."""

from typing import Final, TypeVar

T = TypeVar("T")

COMPOSITES: Final = frozenset({dict, list})


def copied(value: T) -> T:
    if isinstance(value, dict):
        return {key: copied(inner) if type(inner) in COMPOSITES else inner for key, inner in value.items()}  # type: ignore[return-value]  # of the same type
    if isinstance(value, list):
        return [copied(inner) if type(inner) in COMPOSITES else inner for inner in value]  # type: ignore[return-value]  # of the same type
    return value
