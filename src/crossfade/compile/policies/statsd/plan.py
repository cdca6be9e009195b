"""statsd for the policy module."""

from typing import Final

from crossfade.compile.policies.log_plugins import queueing_log_plugin
from crossfade.compile.policies.statsd.schema import SCHEMA

PLUGIN: Final = queueing_log_plugin("statsd", 11, SCHEMA)
