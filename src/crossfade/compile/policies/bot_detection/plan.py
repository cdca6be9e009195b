"""bot-detection for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.bot_detection.schema import SCHEMA
from crossfade.compile.policies.plugin import Plugin

PLUGIN: Final = Plugin(name="bot-detection", priority=2500, takes_consumer=False, schema=SCHEMA)
