"""Lists: Kubernetes' own functions, and those of cel-go's `lists` extension."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

from cel.stdlib import EXTENSIONS

_PLAIN: Final = EXTENSIONS["lists"]


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("no such overload")
    return value


def _is_sorted(value: Any) -> bool:
    return all(not right < left for left, right in pairwise(_items(value)))


def _sum(value: Any) -> Any:
    items = _items(value)
    if any(isinstance(item, bool) or not isinstance(item, int | float | timedelta) for item in items):
        raise ValueError("no such overload")
    return sum(items[1:], items[0]) if items else 0


def _extreme(name: str, choose: Callable[[Sequence[Any]], Any]) -> Callable[[Any], Any]:
    def found(value: Any) -> Any:
        if not _items(value):
            raise ValueError(f"{name} called on empty list")
        return choose(value)

    return found


def _same(left: Any, right: Any) -> bool:
    """As CEL: a boolean is no number."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _index_of(value: Any, wanted: Any, offset: int = 0) -> int:
    if isinstance(value, str):
        return int(EXTENSIONS["strings"]["indexOf"](value, wanted, offset))
    return next((place for place, item in enumerate(_items(value)) if _same(item, wanted)), -1)


def _last_index_of(value: Any, wanted: Any, offset: int | None = None) -> int:
    if isinstance(value, str):
        return int(EXTENSIONS["strings"]["lastIndexOf"](value, wanted, offset))
    items = _items(value)
    return next((place for place in reversed(range(len(items))) if _same(items[place], wanted)), -1)


def _reverse(value: Any) -> list[Any]:
    return _items(value)[::-1]


def _end(name: str, place: int) -> Callable[[Any], Any]:
    def found(value: Any) -> Any:
        from cel import OptionalValue

        items = _items(value)
        return OptionalValue.of(items[place]) if items else OptionalValue.none()

    found.__name__ = name
    return found


def _sorted_by(value: Any, keys: Any) -> list[Any]:
    items = _items(value)
    return [items[place] for place in sorted(range(len(items)), key=keys.__getitem__)]


def _pairs(value: Any) -> list[list[Any]]:
    """Index and item, or key and value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(_items(value))
    return [[key, item] for key, item in pairs]


def _map_of(pairs: list[list[Any]]) -> dict[Any, Any]:
    return dict(map(tuple, pairs))


def _merged(entries: list[dict[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for entry in entries:
        if repeated := found.keys() & entry.keys():
            raise ValueError(f"insert failed: key {min(map(str, repeated))} already exists")
        found |= entry
    return found


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "isSorted": _is_sorted,
    "sum": _sum,
    "min": _extreme("min", min),
    "max": _extreme("max", max),
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "reverse": _reverse,
    "first": _end("first", 0),
    "last": _end("last", -1),
    **{name: _PLAIN[name] for name in ("distinct", "flatten", "slice", "sort", "lists.range")},
    "celPairs": _pairs,
    "celMapOf": _map_of,
    "celMerged": _merged,
    "celSortedBy": _sorted_by,
}
