"""loggly for the policy module."""

from typing import Final

from crossfade.compile.policies.log_plugins import log_plugin
from crossfade.compile.policies.loggly.schema import SCHEMA

PLUGIN: Final = log_plugin("loggly", 6, SCHEMA)
