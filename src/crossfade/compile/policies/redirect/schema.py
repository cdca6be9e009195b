"""Schema of redirect's configuration (kong.md §5.22)."""

from typing import Final

from crossfade.compile.policies.checks import final_status, url
from crossfade.compile.policies.schema import Field, Schema

SCHEMA: Final = Schema(
    {
        "status_code": Field("integer", default=301, required=True, between=(100, 599), check=final_status),
        "location": Field("string", required=True, check=url),
        "keep_incoming_path": Field("boolean", default=False),
    }
)
