"""request-size-limiting for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.plugin import Plugin
from crossfade.compile.policies.request_size_limiting.schema import SCHEMA

PLUGIN: Final = Plugin(name="request-size-limiting", priority=951, takes_consumer=True, schema=SCHEMA)
