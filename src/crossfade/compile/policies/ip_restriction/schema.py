"""Schema of ip-restriction's configuration (kong.md §5.10)."""

from typing import Final

from crossfade.compile.policies.checks import ip_or_cidr, reply_status
from crossfade.compile.policies.presence import at_least_one_of
from crossfade.compile.policies.renaming import renaming
from crossfade.compile.policies.schema import Field, Schema

_ADDRESSES: Final = Field("array", elements=Field("string", check=ip_or_cidr))

SCHEMA: Final = Schema(
    {
        "allow": _ADDRESSES,
        "deny": _ADDRESSES,
        "status": Field("number", check=reply_status),
        "message": Field("string"),
    },
    presence_checks=(at_least_one_of("allow", "deny"),),
)

# What Kong 2 called them at first.
with_new_names: Final = renaming({"whitelist": "allow", "blacklist": "deny"})
