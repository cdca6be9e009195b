"""prometheus for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.plugin import ALL_PROTOCOLS, Plugin
from crossfade.compile.policies.prometheus.schema import SCHEMA, without_effect

PLUGIN: Final = Plugin(
    name="prometheus",
    priority=13,
    takes_consumer=True,
    schema=SCHEMA,
    warnings=without_effect,
    protocols=ALL_PROTOCOLS,
    counts_sessions=True,
)
