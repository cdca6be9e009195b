"""JSON merge patch (RFC 7386), with what Kubernetes' library makes of lists."""

from typing import Any

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.patch.errors import DECODING, undecodable


def apply_merge_patch(obj: JsonObject, patch: Any) -> JsonObject:
    """The patched object; `obj` stays as it is, unchanged parts are shared. Raises PatchError for a non-object."""
    if not isinstance(patch, dict):
        raise undecodable(patch, "map[string]interface {}", prefix=DECODING)
    return _merged(obj, patch)


def _merged(target: JsonObject, patch: JsonObject) -> JsonObject:
    result = dict(target)
    for key, value in patch.items():
        current = target.get(key)
        if value is None:
            result.pop(key, None)
        elif not isinstance(current, dict):
            result[key] = _without_null_members(value)
        else:
            result[key] = _merged(current, value) if isinstance(value, dict) else value
    return result


def _without_null_members(value: Any) -> Any:
    """Also of objects in lists, as Kubernetes has it where the value takes nothing's or no object's place."""
    if isinstance(value, dict):
        return {key: _without_null_members(inner) for key, inner in value.items() if inner is not None}
    return [_without_null_members(item) for item in value] if isinstance(value, list) else value
