"""What is answered when a patch can't be applied."""

from collections.abc import Sequence
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.errors import FieldError
from crossfade_local.apiserver.validation.status_error import invalid_status

REJECTED: Final = "the server rejected our request due to an error in our request"


DECODING: Final = "error decoding patch: "
_TYPE_NAMES: Final = {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "bool"}


class PatchError(Exception):
    """A patch that can't be applied; `status()` is the API's answer to it."""

    def __init__(
        self, message: str, *, code: int = 422, reason: str = "Invalid", errors: Sequence[FieldError] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.errors = tuple(errors)

    def status(self) -> JsonObject:
        if self.errors:
            return invalid_status(group="", kind="", name="", errors=self.errors)
        body: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": {},
            "code": self.code,
        }
        if not self.reason:
            del body["reason"]
        if self.message != REJECTED:
            del body["details"]
        return body


def undecodable(value: Any, wanted: str, *, prefix: str = "") -> PatchError:
    """A patch, or a part of one, of another type than Go's `wanted`."""
    found = _TYPE_NAMES.get(type(value), "null")
    into = wanted if wanted.startswith("struct field") else f"value of type {wanted}"
    return PatchError(f"{prefix}json: cannot unmarshal {found} into Go {into}", code=400, reason="BadRequest")
