"""correlation-id for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.correlation_id.schema import SCHEMA
from crossfade.compile.policies.plugin import Plugin

PLUGIN: Final = Plugin(name="correlation-id", priority=100001, takes_consumer=True, schema=SCHEMA)
