"""syslog for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.plugin import HTTP_PROTOCOLS, Plugin
from crossfade.compile.policies.syslog.schema import SCHEMA

PLUGIN: Final = Plugin(
    name="syslog",
    priority=4,
    takes_consumer=True,
    schema=SCHEMA,
    protocols=(*HTTP_PROTOCOLS, "tcp", "tls", "tls_passthrough", "udp"),
    writes_records=True,
)
