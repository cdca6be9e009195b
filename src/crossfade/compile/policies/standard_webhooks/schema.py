"""Schema of standard-webhooks' configuration (kong.md §5.22)."""

from typing import Final

from crossfade.compile.policies.schema import Field, Schema

SCHEMA: Final = Schema(
    {
        "secret_v1": Field("string", required=True),
        "tolerance_second": Field("integer", default=300, required=True, greater_than=-1),
    }
)
