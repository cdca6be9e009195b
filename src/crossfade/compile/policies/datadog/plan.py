"""datadog for the policy module."""

from typing import Final

from crossfade.compile.policies.datadog.schema import SCHEMA
from crossfade.compile.policies.log_plugins import queueing_log_plugin

PLUGIN: Final = queueing_log_plugin("datadog", 10, SCHEMA)
