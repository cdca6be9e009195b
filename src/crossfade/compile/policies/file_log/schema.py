"""Schema of file-log's configuration (kong.md §5.21)."""

import re
from typing import Final

from crossfade.compile.policies.custom_fields import CUSTOM_FIELDS
from crossfade.compile.policies.schema import Field, Schema

# Lua's %s and Python's \s differ beyond ASCII.
_PATH: Final = re.compile(r"[^\s*&%`\0][^*&%`\0]*[^\s*&%`\0]", re.ASCII)


def filename(path: str) -> str | None:
    return None if _PATH.fullmatch(path) else "not a valid filename"


SCHEMA: Final = Schema(
    {
        "path": Field("string", required=True, check=filename),
        "reopen": Field("boolean", False, required=True),
        "custom_fields_by_lua": CUSTOM_FIELDS,
    }
)
