"""Schema of loggly's configuration (kong.md §5.21)."""

import re
from typing import Final

from crossfade.compile.policies.checks import host
from crossfade.compile.policies.custom_fields import CUSTOM_FIELDS
from crossfade.compile.policies.schema import Field, Schema
from crossfade.compile.policies.severities import SEVERITIES

# Kong takes any text, and sends what Loggly cannot read.
_MARK: Final = re.compile(r"(?:(?![\"\]\\])[!-~])+")


def mark(text: str) -> str | None:
    return None if _MARK.fullmatch(text) else "letters, digits and marks but quotes, brackets and backslashes only"


SCHEMA: Final = Schema(
    {
        "host": Field("string", "logs-01.loggly.com", check=host),
        "port": Field("integer", 514, between=(0, 65535)),
        "key": Field("string", required=True, check=mark, referenceable=True),
        "tags": Field("set", ["kong"], elements=Field("string", check=mark)),
        **SEVERITIES,
        "timeout": Field("number", 10_000),
        "custom_fields_by_lua": CUSTOM_FIELDS,
    }
)
