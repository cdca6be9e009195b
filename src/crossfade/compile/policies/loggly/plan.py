"""loggly for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.loggly.schema import SCHEMA
from crossfade.compile.policies.plugin import HTTP_PROTOCOLS, Plugin

PLUGIN: Final = Plugin(
    name="loggly",
    priority=6,
    takes_consumer=True,
    schema=SCHEMA,
    protocols=(*HTTP_PROTOCOLS, "tcp", "tls", "tls_passthrough", "udp"),
    writes_records=True,
)
