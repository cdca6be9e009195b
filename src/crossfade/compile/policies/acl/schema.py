"""Schema of acl's configuration (kong.md §5.7)."""

from typing import Final

from crossfade.compile.policies.presence import at_least_one_of, exactly_one_of
from crossfade.compile.policies.renaming import renaming
from crossfade.compile.policies.schema import Field, Schema

_GROUPS: Final = Field("array", elements=Field("string"))

SCHEMA: Final = Schema(
    {
        "allow": _GROUPS,
        "deny": _GROUPS,
        "hide_groups_header": Field("boolean", default=False, required=True),
        "always_use_authenticated_groups": Field("boolean", default=False, required=True),
        "include_consumer_groups": Field("boolean", default=False, required=True),
    },
    presence_checks=(exactly_one_of("allow", "deny"), at_least_one_of("allow", "deny")),
)

# What Kong 2 called them at first.
with_new_names: Final = renaming({"whitelist": "allow", "blacklist": "deny"})
