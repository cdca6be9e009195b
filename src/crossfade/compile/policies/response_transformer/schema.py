"""Schema of response-transformer's configuration (kong.md §5.17)."""

from collections.abc import Callable
from typing import Any, Final

from crossfade.compile.policies.pairs import (
    pair,
    removed_header,
    removed_member,
    renamed_header,
    valued_header,
)
from crossfade.compile.policies.schema import Field, Schema

JSON_TYPES: Final = ("boolean", "number", "string")


def _entries(check: Callable[[Any], str | None]) -> Field:
    return Field("array", [], required=True, elements=Field("string", check=check))


_VALUED: Final = Field(
    "record",
    fields={
        "json": _entries(pair),
        "json_types": Field("array", [], required=True, elements=Field("string", one_of=JSON_TYPES)),
        "headers": _entries(valued_header),
    },
)
_REMOVED: Final = Field("record", fields={"json": _entries(removed_member), "headers": _entries(removed_header)})
_RENAMED: Final = Field("record", fields={"json": _entries(pair), "headers": _entries(renamed_header)})

SCHEMA: Final = Schema({"remove": _REMOVED, "rename": _RENAMED, "replace": _VALUED, "add": _VALUED, "append": _VALUED})
