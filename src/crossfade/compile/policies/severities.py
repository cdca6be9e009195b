"""Severities of syslog's, as syslog and loggly give them to records (kong.md §5.21)."""

from typing import Final

from crossfade.compile.policies.schema import Field

_SEVERITY: Final = Field(
    "string", "info", required=True, one_of=("debug", "info", "notice", "warning", "err", "crit", "alert", "emerg")
)
_NAMES: Final = ("log_level", "successful_severity", "client_errors_severity", "server_errors_severity")
SEVERITIES: Final[dict[str, Field]] = dict.fromkeys(_NAMES, _SEVERITY)
