"""Schema of request-transformer's configuration (kong.md §5.16). Templates are checked by the policy module."""

import re
from collections.abc import Callable
from typing import Any, Final

from crossfade.compile.policies.pairs import (
    named_value,
    removed_member,
    removed_request_header,
    renamed_request_header,
    replaced_request_header,
    request_header,
)
from crossfade.compile.policies.schema import Field, Schema

# What Kong can set; it takes any upper-case word and fails on requests.
METHODS: Final = (
    "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "MKCOL", "COPY", "MOVE", "PROPFIND", "PROPPATCH", "LOCK",
    "UNLOCK", "PATCH", "TRACE",
)  # fmt: skip
_UPPER_CASE: Final = re.compile(r"[A-Z]+")


def method(name: str) -> str | None:
    if not _UPPER_CASE.fullmatch(name):
        return f"invalid value: {name}"
    return None if name in METHODS else f"invalid method: {name}, use one of {', '.join(METHODS)}"


def uri(template: str) -> str | None:
    """What begins with an expression is known only when that has run."""
    return None if template.startswith(("/", "$(")) else "should start with: /"


def _entries(check: Callable[[Any], str | None]) -> Field:
    return Field("array", [], required=True, elements=Field("string", check=check))


def _record(headers: Callable[[Any], str | None], others: Callable[[Any], str | None], **more: Field) -> Field:
    fields = {"body": _entries(others), "headers": _entries(headers), "querystring": _entries(others)}
    return Field("record", fields={**fields, **more})


_VALUED: Final = _record(request_header, named_value)

SCHEMA: Final = Schema(
    {
        "http_method": Field("string", check=method),
        "remove": _record(removed_request_header, removed_member),
        "rename": _record(renamed_request_header, named_value),
        "replace": _record(replaced_request_header, named_value, uri=Field("string", check=uri)),
        "add": _VALUED,
        "append": _VALUED,
    }
)
