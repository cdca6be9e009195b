"""Schema of cors' configuration (kong.md §5.12)."""

from typing import Final

from crossfade.compile.policies.checks import header_value, regex
from crossfade.compile.policies.schema import Field, Schema

METHODS: Final = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT")


def origin(entry: str) -> str | None:
    if entry == "*":
        return None
    reason = regex(entry)
    return header_value(entry) if reason is None else f"'{entry}' is not a valid regex: {reason}"


_NAMES: Final = Field("array", elements=Field("string", check=header_value))

SCHEMA: Final = Schema(
    {
        "origins": Field("array", elements=Field("string", check=origin)),
        "headers": _NAMES,
        "exposed_headers": _NAMES,
        "methods": Field("array", list(METHODS), elements=Field("string", one_of=METHODS)),
        "max_age": Field("number"),
        "credentials": Field("boolean", default=False, required=True),
        "private_network": Field("boolean", default=False, required=True),
        "preflight_continue": Field("boolean", default=False, required=True),
    }
)
