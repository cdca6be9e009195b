"""Reading decoded JSON objects: a missing field and a null one count as empty, as they do in Kubernetes' Go types."""

from typing import Any

from crossfade_kube.meta import JsonObject


def text(obj: Any, *path: str) -> str:
    value = at(obj, *path)
    return value if isinstance(value, str) else ""


def number(obj: Any, *path: str) -> int:
    value = at(obj, *path)
    return int(value) if isinstance(value, int | float) else 0


def mapping(obj: Any, *path: str) -> JsonObject:
    value = at(obj, *path)
    return value if isinstance(value, dict) else {}


def sequence(obj: Any, *path: str) -> list[Any]:
    value = at(obj, *path)
    return value if isinstance(value, list) else []


def objects(obj: Any, *path: str) -> list[JsonObject]:
    """The items of a list of objects; items of another type count as empty objects."""
    return [item if isinstance(item, dict) else {} for item in sequence(obj, *path)]


def flag(obj: Any, *path: str) -> bool:
    return at(obj, *path) is True


def at(obj: Any, *path: str) -> Any:
    """The value at a path of keys, or None where the path ends early."""
    for key in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(key)
    return obj
