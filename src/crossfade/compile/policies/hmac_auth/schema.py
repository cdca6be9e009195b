"""Schema of hmac-auth's configuration (kong.md §5.4)."""

from typing import Final

from crossfade.compile.policies.checks import header_value
from crossfade.compile.policies.schema import Field, Schema

_ALGORITHMS: Final = ("hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512")

SCHEMA: Final = Schema(
    {
        "hide_credentials": Field("boolean", default=False, required=True),
        "clock_skew": Field("number", 300, greater_than=0),
        "anonymous": Field("string"),
        "validate_request_body": Field("boolean", default=False, required=True),
        "enforce_headers": Field("array", [], elements=Field("string")),
        "algorithms": Field("array", list(_ALGORITHMS), elements=Field("string", one_of=_ALGORITHMS)),
        "realm": Field("string", check=header_value),
    }
)
