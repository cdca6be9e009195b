"""udp-log for the policy module."""

from typing import Final

from crossfade.compile.policies.log_plugins import log_plugin
from crossfade.compile.policies.udp_log.schema import SCHEMA

PLUGIN: Final = log_plugin("udp-log", 8, SCHEMA)
