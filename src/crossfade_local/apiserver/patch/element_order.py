"""The order of a merged list's items: the patch's order wins, items only the server has keep their place."""

from collections.abc import Callable
from functools import cmp_to_key
from typing import Any


def partition(merged: list[Any], patch: list[Any], key: str | None) -> tuple[list[Any], list[Any]]:
    """Items that the patch names, and items that only the server has."""
    named = [item for item in merged if _index(patch, item, key) >= 0]
    return named, [item for item in merged if _index(patch, item, key) < 0]


def ordered(
    named: list[Any], server_only: list[Any], patch_order: list[Any], server_order: list[Any], key: str | None
) -> list[Any]:
    left = _sorted_like(server_only, server_order, key)
    right = _sorted_like(named, patch_order, key)
    result = []
    while left and right:
        left_at, right_at = _index(server_order, left[0], key), _index(server_order, right[0], key)
        # An item the server didn't know comes as early as the patch's order allows.
        result.append(left.pop(0) if 0 <= left_at < right_at else right.pop(0))
    return result + left + right


def _index(items: list[Any], wanted: Any, key: str | None) -> int:
    if key is None:
        return items.index(wanted) if wanted in items else -1
    value = wanted.get(key)
    return next((at for at, item in enumerate(items) if isinstance(item, dict) and item.get(key) == value), -1)


def _sorted_like(items: list[Any], order: list[Any], key: str | None) -> list[Any]:
    compare: Callable[[Any, Any], int] = lambda a, b: _compare(_index(order, a, key), _index(order, b, key))  # noqa: E731
    return sorted(items, key=cmp_to_key(compare))


def _compare(left: int, right: int) -> int:
    return left - right if left >= 0 and right >= 0 else 0
