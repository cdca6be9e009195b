"""acl for the policy module. Consumers' groups are in the gateway's tables."""

from typing import Final

from crossfade.compile.policies.acl.schema import SCHEMA, with_new_names
from crossfade.compile.policies.plugin import Plugin

PLUGIN: Final = Plugin(
    name="acl",
    priority=950,
    takes_consumer=False,
    schema=SCHEMA,
    modernised=with_new_names,
)
