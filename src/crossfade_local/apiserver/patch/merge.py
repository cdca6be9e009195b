"""JSON merge patch (RFC 7386)."""

from typing import Any

from crossfade_kube.merge_patch import merge_patched
from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.patch.errors import PatchError


def apply_merge_patch(obj: JsonObject, patch: Any) -> JsonObject:
    """The patched object; `obj` stays as it is, unchanged parts are shared. Raises PatchError for a non-object."""
    if not isinstance(patch, dict):
        raise PatchError("Invalid JSON Patch", code=400, reason="BadRequest")
    return merge_patched(obj, patch)
