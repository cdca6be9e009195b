"""Schema of request-size-limiting's configuration (kong.md §5.14)."""

from typing import Final

from crossfade.compile.policies.schema import Field, Schema

UNITS: Final = ("megabytes", "kilobytes", "bytes")

SCHEMA: Final = Schema(
    {
        "allowed_payload_size": Field("integer", default=128),
        "size_unit": Field("string", default="megabytes", required=True, one_of=UNITS),
        "require_content_length": Field("boolean", default=False, required=True),
    }
)
