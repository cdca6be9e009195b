"""response-transformer for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.plugin import Plugin
from crossfade.compile.policies.response_transformer.schema import SCHEMA

PLUGIN: Final = Plugin(name="response-transformer", priority=800, takes_consumer=True, schema=SCHEMA)
