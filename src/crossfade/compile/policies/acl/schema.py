"""Schema of acl's configuration (kong.md §5.7)."""

from collections.abc import Mapping
from typing import Any, Final

from crossfade.compile.policies.presence import at_least_one_of, exactly_one_of
from crossfade.compile.policies.schema import Field, Schema

_GROUPS: Final = Field("array", elements=Field("string"))
# What Kong 2 called them at first.
_OLD_NAMES: Final = {"whitelist": "allow", "blacklist": "deny"}

SCHEMA: Final = Schema(
    {
        "allow": _GROUPS,
        "deny": _GROUPS,
        "hide_groups_header": Field("boolean", default=False, required=True),
        "always_use_authenticated_groups": Field("boolean", default=False, required=True),
    },
    presence_checks=(exactly_one_of("allow", "deny"), at_least_one_of("allow", "deny")),
)


def with_new_names(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """An old name beside its new one stays, so that the schema refuses it."""
    renamed = {old: new for old, new in _OLD_NAMES.items() if old in config and new not in config}
    return {renamed.get(name, name): value for name, value in config.items()}
