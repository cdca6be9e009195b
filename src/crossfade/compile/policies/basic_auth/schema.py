"""Schema of basic-auth's configuration (kong.md §5.3)."""

from typing import Final

from crossfade.compile.policies.checks import header_value
from crossfade.compile.policies.schema import Field, Schema

SCHEMA: Final = Schema(
    {
        "anonymous": Field("string"),
        "hide_credentials": Field("boolean", default=False, required=True),
        "realm": Field("string", default="service", required=True, check=header_value),
    },
)
