"""Schema of syslog's configuration (kong.md §5.21)."""

from typing import Final

from crossfade.compile.policies.custom_fields import CUSTOM_FIELDS
from crossfade.compile.policies.schema import Field, Schema
from crossfade.compile.policies.severities import SEVERITIES

_FACILITIES: Final = (
    *("auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp"),
    *(f"local{number}" for number in range(8)),
)

SCHEMA: Final = Schema(
    {
        **SEVERITIES,
        "custom_fields_by_lua": CUSTOM_FIELDS,
        "facility": Field("string", "user", required=True, one_of=_FACILITIES),
    }
)
