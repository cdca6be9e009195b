"""The order of a merged list's items: the patch's order wins, items only the server has keep their place."""

from collections.abc import Callable, Hashable, Iterable
from functools import cmp_to_key
from typing import Any

from crossfade_local.apiserver.values.gotext import to_json


class Places:
    """Where the items of a list stand: each by its merge key, or by itself where `key` is None. The first counts."""

    def __init__(self, items: Iterable[Any], key: str | None) -> None:
        self._key = key
        self._places: dict[Hashable, int] = {}
        for place, item in enumerate(items):
            if key is None or isinstance(item, dict):
                self._places.setdefault(mark(item, key), place)

    def of(self, item: Any) -> int:
        """-1 where the list has no such item."""
        return self._places.get(mark(item, self._key), -1)

    def note(self, item: Any, place: int) -> None:
        self._places.setdefault(mark(item, self._key), place)


def mark(item: Any, key: str | None) -> Hashable:
    """What tells an item from others."""
    value = item if key is None else item.get(key)
    return ("json", to_json(value)) if isinstance(value, dict | list) else value


def partition(merged: list[Any], patch: list[Any], key: str | None) -> tuple[list[Any], list[Any]]:
    """Items that the patch names, and items that only the server has."""
    places = Places(patch, key)
    named = [item for item in merged if places.of(item) >= 0]
    return named, [item for item in merged if places.of(item) < 0]


def ordered(
    named: list[Any], server_only: list[Any], patch_order: list[Any], server_order: list[Any], key: str | None
) -> list[Any]:
    on_server = Places(server_order, key)
    left = _sorted_like(server_only, on_server)
    right = _sorted_like(named, Places(patch_order, key))
    result = []
    at_left = at_right = 0
    while at_left < len(left) and at_right < len(right):
        # An item the server didn't know comes as early as the patch's order allows.
        if 0 <= on_server.of(left[at_left]) < on_server.of(right[at_right]):
            result.append(left[at_left])
            at_left += 1
        else:
            result.append(right[at_right])
            at_right += 1
    return result + left[at_left:] + right[at_right:]


def _sorted_like(items: list[Any], order: Places) -> list[Any]:
    compare: Callable[[Any, Any], int] = lambda a, b: _compare(order.of(a), order.of(b))  # noqa: E731
    return sorted(items, key=cmp_to_key(compare))


def _compare(left: int, right: int) -> int:
    return left - right if left >= 0 and right >= 0 else 0
