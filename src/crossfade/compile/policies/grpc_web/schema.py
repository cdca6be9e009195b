"""Schema of grpc-web's configuration (kong.md §5.22)."""

from typing import Final

from crossfade.compile.policies.checks import header_value
from crossfade.compile.policies.schema import Field, Schema

SCHEMA: Final = Schema(
    {
        "proto": Field("string"),
        "pass_stripped_path": Field("boolean"),
        "allow_origin_header": Field("string", default="*", check=header_value),
    }
)
