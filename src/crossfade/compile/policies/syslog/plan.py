"""syslog for the policy module."""

from typing import Final

from crossfade.compile.policies.log_plugins import log_plugin
from crossfade.compile.policies.syslog.schema import SCHEMA

PLUGIN: Final = log_plugin("syslog", 4, SCHEMA)
