"""request-termination for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.plugin import Plugin
from crossfade.compile.policies.request_termination.schema import SCHEMA

PLUGIN: Final = Plugin(name="request-termination", priority=2, takes_consumer=True, schema=SCHEMA)
