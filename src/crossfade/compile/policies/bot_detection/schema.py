"""Schema of bot-detection's configuration (kong.md §5.11)."""

from typing import Final

from crossfade.compile.policies.regexes import regexes
from crossfade.compile.policies.schema import Field, Schema

_REGEXES: Final = Field("array", [], elements=Field("string"))

SCHEMA: Final = Schema({"allow": _REGEXES, "deny": _REGEXES}, (regexes("bot-detection", "allow", "deny"),))
