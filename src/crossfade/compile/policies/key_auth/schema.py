"""Schema of key-auth's configuration (kong.md §5.1)."""

from typing import Final

from crossfade.compile.policies.checks import header_name, header_value
from crossfade.compile.policies.schema import Field, Schema

SCHEMA: Final = Schema(
    {
        "key_names": Field("array", ["apikey"], required=True, elements=Field("string", check=header_name)),
        "key_in_header": Field("boolean", default=True, required=True),
        "key_in_query": Field("boolean", default=True, required=True),
        "key_in_body": Field("boolean", default=False, required=True),
        "hide_credentials": Field("boolean", default=False, required=True),
        "anonymous": Field("string"),
        "run_on_preflight": Field("boolean", default=True, required=True),
        "realm": Field("string", check=header_value),
    }
)
