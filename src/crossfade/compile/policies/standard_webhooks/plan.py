"""standard-webhooks for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.plugin import Plugin
from crossfade.compile.policies.standard_webhooks.schema import SCHEMA

PLUGIN: Final = Plugin(name="standard-webhooks", priority=760, takes_consumer=False, schema=SCHEMA)
