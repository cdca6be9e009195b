"""Schema of cors' configuration (kong.md §5.12)."""

from typing import Final

from crossfade.compile.policies.checks import header_value
from crossfade.compile.policies.regexes import regexes
from crossfade.compile.policies.schema import Field, Schema

METHODS: Final = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT")
_TEXTS: Final = Field("array", elements=Field("string", check=header_value))

SCHEMA: Final = Schema(
    {
        "origins": _TEXTS,
        "headers": _TEXTS,
        "exposed_headers": _TEXTS,
        "methods": Field("array", list(METHODS), elements=Field("string", one_of=METHODS)),
        "max_age": Field("number"),
        "credentials": Field("boolean", default=False, required=True),
        "private_network": Field("boolean", default=False, required=True),
        "preflight_continue": Field("boolean", default=False, required=True),
    },
    (regexes("cors", "origins"),),
)
