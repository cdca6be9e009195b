"""http-log for the policy module."""

from typing import Final

from crossfade.compile.policies.http_log.schema import SCHEMA
from crossfade.compile.policies.log_plugins import queueing_log_plugin

PLUGIN: Final = queueing_log_plugin("http-log", 12, SCHEMA)
