"""Schema of tcp-log's configuration (kong.md §5.21)."""

from typing import Final

from crossfade.compile.policies.checks import host, server_name
from crossfade.compile.policies.custom_fields import CUSTOM_FIELDS
from crossfade.compile.policies.schema import Field, Schema

SCHEMA: Final = Schema(
    {
        "host": Field("string", required=True, check=host),
        "port": Field("integer", required=True, between=(0, 65535)),
        "timeout": Field("number", 10_000),
        "keepalive": Field("number", 60_000),
        "tls": Field("boolean", False, required=True),
        "tls_sni": Field("string", check=server_name),
        "ssl_verify": Field("boolean", True),
        "custom_fields_by_lua": CUSTOM_FIELDS,
    }
)
