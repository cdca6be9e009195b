"""request-transformer for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.plugin import Plugin
from crossfade.compile.policies.request_transformer.schema import SCHEMA
from crossfade.compile.policies.request_transformer.warnings import warnings

PLUGIN: Final = Plugin(name="request-transformer", priority=801, takes_consumer=True, schema=SCHEMA, warnings=warnings)
