"""statsd for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.plugin import HTTP_PROTOCOLS, Plugin
from crossfade.compile.policies.queueing import old_queue_warnings, with_queue
from crossfade.compile.policies.statsd.schema import SCHEMA

PLUGIN: Final = Plugin(
    name="statsd",
    priority=11,
    takes_consumer=True,
    schema=SCHEMA,
    modernised=with_queue,
    deprecations=old_queue_warnings("statsd"),
    protocols=(*HTTP_PROTOCOLS, "tcp", "tls", "tls_passthrough", "udp"),
    writes_records=True,
)
