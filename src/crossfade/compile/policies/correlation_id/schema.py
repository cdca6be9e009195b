"""Schema of correlation-id's configuration (kong.md §5.18)."""

from typing import Final

from crossfade.compile.policies.checks import free_header_name
from crossfade.compile.policies.schema import Field, Schema

SCHEMA: Final = Schema(
    {
        "header_name": Field("string", default="Kong-Request-ID", check=free_header_name),
        "generator": Field("string", default="uuid#counter", required=True, one_of=("uuid", "uuid#counter", "tracker")),
        "echo_downstream": Field("boolean", default=False, required=True),
    }
)
