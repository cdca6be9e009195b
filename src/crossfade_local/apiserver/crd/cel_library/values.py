"""Values of types that the engine does not have: a map with one entry, whose key says the type."""

from datetime import UTC, datetime, timedelta
from typing import Any

_MARK = "\0"


def made(kind: str, content: Any) -> dict[str, Any]:
    """Equal if kind and content are: `content` is in a form that says nothing of how it was spelled."""
    return {_MARK + kind: content}


def kind_of(value: Any) -> str:
    """Empty for a value of the engine's own types."""
    if isinstance(value, dict) and len(value) == 1:
        (key,) = value
        if isinstance(key, str) and key.startswith(_MARK):
            return key[len(_MARK) :]
    return ""


def content_of(kind: str, value: Any) -> Any:
    """Raises ValueError for a value of another type."""
    if kind_of(value) != kind:
        raise ValueError("no such overload")
    return value[_MARK + kind]


def text_of(value: Any) -> Any:
    """For `string(…)`: what the engine does not know how to write, or writes in another way, is a text already."""
    match value:
        case bool():
            return "true" if value else "false"
        case timedelta():
            return f"{value / timedelta(seconds=1):f}".rstrip("0").rstrip(".") + "s"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"
    kind = kind_of(value)
    return value[_MARK + kind] if kind in ("ip", "cidr", "url") else value


def text(value: Any) -> str:
    """Raises ValueError for a value that is no text."""
    if not isinstance(value, str):
        raise ValueError("no such overload")
    return value
