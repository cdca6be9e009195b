"""Field errors: what is wrong with which field, worded as Kubernetes words it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson

from crossfade_local.apiserver.values.gotext import number, quoted, to_json


class ErrorType(StrEnum):
    """The value is the `reason` of a cause in a Status."""

    NOT_FOUND = "FieldValueNotFound"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TOO_FEW = "FieldValueTooFew"
    INTERNAL = "InternalError"
    TYPE_INVALID = "FieldValueTypeInvalid"


_LABELS: Final = {
    ErrorType.NOT_FOUND: "Not found",
    ErrorType.REQUIRED: "Required value",
    ErrorType.DUPLICATE: "Duplicate value",
    ErrorType.INVALID: "Invalid value",
    ErrorType.NOT_SUPPORTED: "Unsupported value",
    ErrorType.FORBIDDEN: "Forbidden",
    ErrorType.TOO_LONG: "Too long",
    ErrorType.TOO_MANY: "Too many",
    ErrorType.TOO_FEW: "Too few",
    ErrorType.INTERNAL: "Internal error",
    ErrorType.TYPE_INVALID: "Invalid value",
}
_WITHOUT_VALUE: Final = frozenset({ErrorType.REQUIRED, ErrorType.FORBIDDEN, ErrorType.TOO_LONG, ErrorType.INTERNAL})
OMITTED: Final = object()
"""As a value: the error is printed without one."""
ROOT: Final = "<nil>"
"""How Kubernetes writes the path of the whole object."""
_MOST_LISTED: Final = 1_000
_MOST_PRINTED: Final = 512 * 1024
"""Bytes."""
IMMUTABLE: Final = "field is immutable"


class FieldError(NamedTuple):
    """`field` is a path like `spec.ports[0].name`; `value` any JSON value or `OMITTED`."""

    type: ErrorType
    field: str
    value: Any
    detail: str

    @property
    def body(self) -> str:
        """The text after the field's name."""
        text = _LABELS[self.type]
        if self.type not in _WITHOUT_VALUE and self.value is not OMITTED:
            text += ": " + _printed(self.value)
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


def _printed(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        return number(value)
    return to_json(value)


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(ErrorType.REQUIRED, field, "", detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(ErrorType.INVALID, field, value, detail)


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError(ErrorType.DUPLICATE, field, value, "")


def not_found(field: str, value: Any) -> FieldError:
    return FieldError(ErrorType.NOT_FOUND, field, value, "")


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError(ErrorType.FORBIDDEN, field, "", detail)


def not_supported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    """The supported values are listed in the order given."""
    listed = ", ".join(quoted(item) for item in supported)
    return FieldError(ErrorType.NOT_SUPPORTED, field, value, f"supported values: {listed}" if listed else "")


def too_long(field: str, limit: int) -> FieldError:
    return FieldError(ErrorType.TOO_LONG, field, OMITTED, f"may not be more than {limit} bytes")


def too_many(field: str, count: int, limit: int) -> FieldError:
    items = "item" if limit == 1 else "items"
    return FieldError(ErrorType.TOO_MANY, field, count, f"must have at most {limit} {items}")


def listed(errors: Iterable[FieldError]) -> list[FieldError]:
    """The first of them; behind that many nobody reads on, and each takes time to find and to print."""
    found: list[FieldError] = []
    printed = 0
    for error in errors:
        if len(found) == _MOST_LISTED or printed > _MOST_PRINTED:
            found.append(
                FieldError(ErrorType.TOO_MANY, ROOT, OMITTED, f"there are more errors than these {len(found)}")
            )
            break
        found.append(error)
        printed += len(error.detail)
        if isinstance(error.value, str):
            printed += len(error.value)
        elif isinstance(error.value, dict | list):
            printed += len(orjson.dumps(error.value))
    return found


def each(field: str, value: Any, problems: Iterable[str]) -> list[FieldError]:
    """One Invalid error per problem."""
    return [invalid(field, value, problem) for problem in problems]
