"""Kong's record `queue`, which log plugins have that send to somebody else, and the flat fields that it replaced
(kong.md §5.21)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from crossfade.compile.policies.schema import Field

_COUNT: Final = (1, 1_000_000)
_RETRY_DELAY: Final = (0.001, 1_000_000)
_LIMITS: Final = (-1, 1)


def delivery_limit(limit: int) -> str | None:
    return None if limit in _LIMITS else f"expected one of: {', '.join(map(str, _LIMITS))}"


QUEUE_FIELDS: Final[dict[str, Field]] = {
    "max_batch_size": Field("integer", default=1, between=_COUNT),
    "max_coalescing_delay": Field("number", default=1, between=(0, 3600)),
    "max_entries": Field("integer", default=10_000, between=_COUNT),
    "max_bytes": Field("integer", between=(1, 2**53)),
    "max_retry_time": Field("number", default=60),
    "initial_retry_delay": Field("number", default=0.01, between=_RETRY_DELAY),
    "max_retry_delay": Field("number", default=60, between=_RETRY_DELAY),
    "concurrency_limit": Field("integer", default=1, check=delivery_limit),
}
# Kong 2's flat fields, the value at which each says nothing, and what takes its place.
_OLD: Final = (("queue_size", 1, "max_batch_size"), ("flush_timeout", 2, "max_coalescing_delay"))
_WITHOUT_EFFECT: Final = "retry_count"

QUEUE: Final = Field("record", default={}, fields=QUEUE_FIELDS)
OLD_FIELDS: Final[dict[str, Field]] = {
    "retry_count": Field("integer"),
    "queue_size": Field("integer"),
    "flush_timeout": Field("number"),
}


def with_queue(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the old fields in the record, where they say something; they win over what stands there."""
    old = {new: config[name] for name, silent, new in _OLD if config.get(name) not in (None, silent)}
    given = config.get("queue")
    if not old or not isinstance(given, dict | None):
        return config
    return {**config, "queue": {**(given or {}), **old}}


def old_queue_warnings(plugin: str) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    """Kong's own words for each old field that a configuration has."""

    def warnings(config: Mapping[str, Any]) -> tuple[str, ...]:
        replaced = tuple(
            f"{plugin}: config.{name} is deprecated, please use config.queue.{new} instead"
            for name, _, new in _OLD
            if name in config
        )
        if _WITHOUT_EFFECT not in config:
            return replaced
        return (
            f"{plugin}: config.{_WITHOUT_EFFECT} no longer works, please use config.queue.max_retry_time instead",
            *replaced,
        )

    return warnings
