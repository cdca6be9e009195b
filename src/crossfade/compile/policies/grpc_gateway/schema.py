"""Schema of grpc-gateway's configuration (kong.md §5.22)."""

from typing import Final

from crossfade.compile.policies.schema import Field, Schema

SCHEMA: Final = Schema({"proto": Field("string")})
