"""cors for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.cors.schema import SCHEMA
from crossfade.compile.policies.plugin import Plugin

PLUGIN: Final = Plugin(name="cors", priority=2000, takes_consumer=False, schema=SCHEMA)
