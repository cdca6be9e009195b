"""Schema of post-function's configuration (kong.md §5.22)."""

from typing import Final

from crossfade.compile.policies.pre_function.schema import schema

SCHEMA: Final = schema("post-function")
