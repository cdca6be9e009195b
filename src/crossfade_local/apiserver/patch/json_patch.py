"""JSON patch (RFC 6902)."""

from typing import Any, Final

import jsonpatch
from jsonpointer import JsonPointerException

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.patch.errors import REJECTED, PatchError

MAX_OPERATIONS: Final = 10_000
_TYPE_NAMES: Final = {dict: "object", str: "string", int: "number", float: "number", bool: "bool"}


def apply_json_patch(obj: JsonObject, ops: Any) -> JsonObject:
    """The patched object; `obj` stays as it is. Raises PatchError, also for a failed `test`."""
    if not isinstance(ops, list):
        text = f"json: cannot unmarshal {_TYPE_NAMES.get(type(ops), 'null')} into Go value of type jsonpatch.Patch"
        raise PatchError(text, code=400, reason="BadRequest")
    if len(ops) > MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}"
        raise PatchError(text, code=413, reason="RequestEntityTooLarge")
    try:
        patched = jsonpatch.JsonPatch(ops).apply(obj, in_place=False)
    except (jsonpatch.JsonPatchException, JsonPointerException, KeyError, TypeError, ValueError) as error:
        # The API hides the cause; clients print exactly this sentence.
        raise PatchError(REJECTED) from error
    if not isinstance(patched, dict):
        raise PatchError(REJECTED)
    return patched
