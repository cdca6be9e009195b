"""datadog for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.datadog.schema import SCHEMA
from crossfade.compile.policies.plugin import HTTP_PROTOCOLS, Plugin
from crossfade.compile.policies.queueing import old_queue_warnings, with_queue

PLUGIN: Final = Plugin(
    name="datadog",
    priority=10,
    takes_consumer=True,
    schema=SCHEMA,
    modernised=with_queue,
    deprecations=old_queue_warnings("datadog"),
    protocols=(*HTTP_PROTOCOLS, "tcp", "tls", "tls_passthrough", "udp"),
    writes_records=True,
)
