"""ip-restriction for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.ip_restriction.schema import SCHEMA, with_new_names
from crossfade.compile.policies.plugin import HTTP_PROTOCOLS, Plugin

PLUGIN: Final = Plugin(
    name="ip-restriction",
    priority=990,
    takes_consumer=True,
    schema=SCHEMA,
    modernised=with_new_names,
    protocols=(*HTTP_PROTOCOLS, "tcp", "tls"),
)
