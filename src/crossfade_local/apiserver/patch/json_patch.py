"""JSON patch (RFC 6902)."""

from typing import Any, Final

import jsonpatch
import orjson
from jsonpointer import JsonPointer, JsonPointerException

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.patch.errors import REJECTED, PatchError

MAX_OPERATIONS: Final = 10_000
MAX_COPIED_BYTES: Final = 3 * 1024 * 1024
"""What all `copy` operations of a patch may add to an object: a few of them double it each time."""
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
        patched = _applied(obj, ops)
    except (jsonpatch.JsonPatchException, JsonPointerException, KeyError, TypeError, ValueError) as error:
        # The API hides the cause; clients print exactly this sentence.
        raise PatchError(REJECTED) from error
    if not isinstance(patched, dict):
        raise PatchError(REJECTED)
    return patched


def _applied(obj: JsonObject, ops: list[Any]) -> Any:
    # Whether each of them is an operation is looked at before the first is carried out.
    jsonpatch.JsonPatch(ops)
    result, left_bytes = orjson.loads(orjson.dumps(obj)), MAX_COPIED_BYTES
    for op in ops:
        step = op
        if op["op"] == "copy":
            value = orjson.dumps(JsonPointer(op["from"]).resolve(result))
            left_bytes -= len(value)
            if left_bytes < 0:
                raise ValueError("copies too much")
            step = {"op": "add", "path": op["path"], "value": orjson.loads(value)}
        result = jsonpatch.JsonPatch([step]).apply(result, in_place=True)
    return result
