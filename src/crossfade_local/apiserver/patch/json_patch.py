"""JSON patch (RFC 6902), with what Kubernetes' library makes of it where the RFC says otherwise.

`replace` adds a member that is not there, `copy` copies one that is not there as null, `test` for null holds for one;
an index may count from the end; the whole document can be tested and replaced, but not added, removed or copied.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.patch.errors import DECODING, REJECTED, PatchError, undecodable

MAX_OPERATIONS: Final = 10_000
MAX_COPIED_BYTES: Final = 3 * 1024 * 1024
"""What all `copy` operations of a patch may add to an object: a few of them double it each time."""
_OPERATION: Final = "handlers.jsonPatchOp"
_INDEX: Final = re.compile(r"[+-]?[0-9]{1,18}")
_ESCAPED: Final = re.compile("~[01]")


class _NotApplicableError(Exception):
    pass


def apply_json_patch(obj: JsonObject, ops: Any) -> JsonObject:
    """The patched object; `obj` stays as it is. Raises PatchError, also for a failed `test`."""
    if not isinstance(ops, list):
        raise undecodable(ops, f"[]{_OPERATION}", prefix=DECODING)
    for op in ops:
        _check_operation(op)
    if len(ops) > MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}"
        raise PatchError(text, code=413, reason="RequestEntityTooLarge")
    document = _Document(orjson.loads(orjson.dumps(obj)))
    try:
        for op in ops:
            document.apply(op or {})
    except _NotApplicableError:
        # The API hides the cause; clients print exactly this sentence.
        raise PatchError(REJECTED) from None
    if not isinstance(document.root, dict):
        raise PatchError(REJECTED)
    return document.root


def _check_operation(op: Any) -> None:
    if not isinstance(op, dict | None):
        raise undecodable(op, _OPERATION, prefix=DECODING)
    for name in ("op", "path", "from"):
        value = (op or {}).get(name)
        if not isinstance(value, str | None):
            raise undecodable(value, f"struct field jsonPatchOp.{name} of type string", prefix=DECODING)


class _Document:
    """`root` is changed in place. All methods raise _NotApplicableError."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._left_bytes = MAX_COPIED_BYTES
        self._operations: Final[dict[Any, Callable[[JsonObject], None]]] = {
            "add": self._add,
            "remove": lambda op: _remove(*self._place(op, "path")),
            "replace": self._replace,
            "move": self._move,
            "copy": self._copy,
            "test": self._test,
        }

    def apply(self, op: JsonObject) -> None:
        kind = op.get("op")
        if not isinstance(kind, str) or kind not in self._operations:
            raise _NotApplicableError
        self._operations[kind](op)

    def _place(self, op: JsonObject, name: str) -> tuple[Any, str]:
        """The object or list that a pointer leads into, and the key there."""
        _, *parts = _pointer(op, name).split("/")
        if not parts:
            raise _NotApplicableError
        *steps, key = (_ESCAPED.sub(lambda found: "/" if found[0] == "~1" else "~", part) for part in parts)
        place = self.root
        for step in steps:
            place = _get(place, step)
        if not isinstance(place, dict | list):
            raise _NotApplicableError
        return place, key

    def _add(self, op: JsonObject) -> None:
        _insert(*self._place(op, "path"), op.get("value"))

    def _replace(self, op: JsonObject) -> None:
        value = op.get("value")
        if not _pointer(op, "path"):
            if not isinstance(value, dict | list):
                raise _NotApplicableError
            self.root = value
            return
        place, key = self._place(op, "path")
        if isinstance(place, dict):
            place[key] = value
        else:
            place[_index(place, key)] = value

    def _move(self, op: JsonObject) -> None:
        place, key = self._place(op, "from")
        value = _get(place, key)
        _remove(place, key)
        _insert(*self._place(op, "path"), value)

    def _copy(self, op: JsonObject) -> None:
        encoded = orjson.dumps(_get(*self._place(op, "from")))
        place, key = self._place(op, "path")
        self._left_bytes -= len(encoded)
        if self._left_bytes < 0:
            raise _NotApplicableError
        _insert(place, key, orjson.loads(encoded))

    def _test(self, op: JsonObject) -> None:
        found = _get(*self._place(op, "path")) if _pointer(op, "path") else self.root
        # In their text, as truth is no number.
        if _text(found) != _text(op.get("value")):
            raise _NotApplicableError


def _text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _pointer(op: JsonObject, name: str) -> str:
    pointer = op.get(name)
    if not isinstance(pointer, str):
        raise _NotApplicableError
    return pointer


def _index(items: list[Any], key: str, *, end: int = 0) -> int:
    """Of an item, or of the place behind the last one where `end` is 1."""
    place = int(key) if _INDEX.fullmatch(key) else len(items) + 1
    size = len(items) + end
    if not -size <= place < size:
        raise _NotApplicableError
    return place + size if place < 0 else place


def _get(place: Any, key: str) -> Any:
    """A member that is not there is null."""
    if isinstance(place, dict):
        return place.get(key)
    if isinstance(place, list):
        return place[_index(place, key)]
    raise _NotApplicableError


def _insert(place: Any, key: str, value: Any) -> None:
    if isinstance(place, dict):
        place[key] = value
    else:
        place.insert(len(place) if key == "-" else _index(place, key, end=1), value)


def _remove(place: Any, key: str) -> None:
    if isinstance(place, dict):
        if key not in place:
            raise _NotApplicableError
        del place[key]
    else:
        del place[_index(place, key)]
