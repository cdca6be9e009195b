"""Kong's checks of which fields of a record are there, for `Schema.presence_checks`."""

from typing import Any

from crossfade.compile.policies.schema import ENTITY, EntityCheck, Problems
from crossfade_kube.meta import JsonObject


def at_least_one_of(*names: str) -> EntityCheck:
    text = f"at least one of these fields must be non-empty: {_quoted(names)}"

    def check(config: JsonObject) -> Problems:
        return {} if any(_is_there(config[name]) for name in names) else {ENTITY: [text]}

    return check


def exactly_one_of(*names: str) -> EntityCheck:
    """Kong's `only_one_of`."""
    text = f"exactly one of these fields must be non-empty: {_quoted(names)}"

    def check(config: JsonObject) -> Problems:
        return {} if sum(_is_there(config[name]) for name in names) == 1 else {ENTITY: [text]}

    return check


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"'config.{name}'" for name in names)


def _is_there(value: Any) -> bool:
    return value is not None and value not in ("", [], {})
