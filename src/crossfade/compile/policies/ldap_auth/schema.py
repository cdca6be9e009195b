"""Schema of ldap-auth's configuration (kong.md §5.8)."""

import re
from typing import Final

from crossfade.compile.policies.checks import header_value, host
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject

# RFC 4512 §1.4.
_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*")
_LONGEST_MS: Final = 2_147_483_646


def attribute(text: str) -> str | None:
    """Kong takes any text, with which the directory would refuse every login."""
    return None if _ATTRIBUTE.fullmatch(text) else "expected an attribute's name or its number"


def _one_kind_of_tls(config: JsonObject) -> Problems:
    if not (config["ldaps"] and config["start_tls"]):
        return {}
    text = "'ldaps' and 'start_tls' cannot be enabled simultaneously"
    return {ENTITY: [text], "start_tls": "value must be false"}


SCHEMA: Final = Schema(
    {
        "ldap_host": Field("string", required=True, check=host),
        "ldap_port": Field("integer", default=389, required=True, between=(0, 65535)),
        "ldaps": Field("boolean", default=False, required=True),
        "start_tls": Field("boolean", default=False, required=True),
        "verify_ldap_host": Field("boolean", default=False, required=True),
        "base_dn": Field("string", required=True),
        "attribute": Field("string", required=True, check=attribute),
        "cache_ttl": Field("number", default=60, required=True, between=(0, 100_000_000)),
        "hide_credentials": Field("boolean", default=False, required=True),
        "timeout": Field("number", default=10_000, between=(0, _LONGEST_MS)),
        "keepalive": Field("number", default=60_000, between=(0, _LONGEST_MS)),
        "anonymous": Field("string"),
        "header_type": Field("string", default="ldap", check=header_value),
        "realm": Field("string", check=header_value),
    },
    (_one_kind_of_tls,),
)
