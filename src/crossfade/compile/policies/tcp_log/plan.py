"""tcp-log for the policy module."""

from typing import Final

from crossfade.compile.policies.log_plugins import log_plugin
from crossfade.compile.policies.tcp_log.schema import SCHEMA

PLUGIN: Final = log_plugin("tcp-log", 7, SCHEMA)
