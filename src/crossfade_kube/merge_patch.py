"""JSON merge patch (RFC 7386)."""

from typing import Any

from crossfade_kube.meta import JsonObject


def merge_patched(target: Any, patch: JsonObject) -> JsonObject:
    """A copy with the patch in it; `target` stays as it is, unchanged parts are shared."""
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge_patched(result.get(key), value)
        else:
            result[key] = value
    return result
