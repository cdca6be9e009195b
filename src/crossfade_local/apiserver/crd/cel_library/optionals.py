"""What `a.?b`, `a[?0]`, `[?a]` and `{?"k": a}` and the macros of optional values become."""

from collections.abc import Callable
from typing import Any, Final

from cel import OptionalValue


def _item(value: Any, key: Any) -> OptionalValue:
    """Of a map, a list, or something optional."""
    if isinstance(value, OptionalValue):
        if not value.has_value():
            return OptionalValue.none()
        value = value.value()
    if isinstance(value, dict):
        return OptionalValue.of(value[key]) if key in value else OptionalValue.none()
    if isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
        return OptionalValue.of(value[key]) if 0 <= key < len(value) else OptionalValue.none()
    raise ValueError("no such overload")


def _list(items: list[OptionalValue]) -> list[Any]:
    return [item.value() for item in items if item.has_value()]


def _map(entries: list[list[Any]]) -> dict[Any, Any]:
    return {key: item.value() for key, item in entries if item.has_value()}


def _present(value: OptionalValue) -> list[Any]:
    return [value.value()] if value.has_value() else []


def _mapped(results: list[Any]) -> OptionalValue:
    return OptionalValue.of(results[0]) if results else OptionalValue.none()


def _flat_mapped(results: list[list[Any]]) -> OptionalValue:
    return _mapped(results[0]) if results else OptionalValue.none()


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "optional.unwrap": _list,
    "unwrapOpt": _list,
    "celOptionalItem": _item,
    "celOptionalList": _list,
    "celOptionalMap": _map,
    "celPresent": _present,
    "celMapped": _mapped,
    "celFlatMapped": _flat_mapped,
}
