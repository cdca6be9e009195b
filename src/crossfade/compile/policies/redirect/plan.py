"""redirect for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.plugin import Plugin
from crossfade.compile.policies.redirect.schema import SCHEMA

PLUGIN: Final = Plugin(name="redirect", priority=779, takes_consumer=True, schema=SCHEMA)
