"""http-log for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.http_log.schema import SCHEMA
from crossfade.compile.policies.plugin import HTTP_PROTOCOLS, Plugin
from crossfade.compile.policies.queueing import old_queue_warnings, with_queue

PLUGIN: Final = Plugin(
    name="http-log",
    priority=12,
    takes_consumer=True,
    schema=SCHEMA,
    modernised=with_queue,
    deprecations=old_queue_warnings("http-log"),
    protocols=(*HTTP_PROTOCOLS, "tcp", "tls", "tls_passthrough", "udp"),
    writes_records=True,
)
