"""file-log for the policy module."""

from typing import Final

from crossfade.compile.policies.file_log.schema import SCHEMA
from crossfade.compile.policies.log_plugins import log_plugin

PLUGIN: Final = log_plugin("file-log", 9, SCHEMA)
