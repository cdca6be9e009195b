"""Schema of mtls-auth's configuration (kong.md §6.2)."""

import re
from typing import Final

from crossfade.compile.policies.checks import host
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_LONGEST_S: Final = 100_000_000
_LONGEST_MS: Final = 2_147_483_646


def uuid(text: str) -> str | None:
    return None if _UUID.fullmatch(text) else "expected a valid UUID"


def _proxies_are_whole(config: JsonObject) -> Problems:
    texts = [
        f"all or none of these fields must be set: '{kind}_host', '{kind}_port'"
        for kind in ("http_proxy", "https_proxy")
        if (config[f"{kind}_host"] is None) != (config[f"{kind}_port"] is None)
    ]
    return {ENTITY: texts} if texts else {}


SCHEMA: Final = Schema(
    {
        "ca_certificates": Field("array", required=True, elements=Field("string", check=uuid)),
        "allow_partial_chain": Field("boolean", default=False, required=True),
        "skip_consumer_lookup": Field("boolean", default=False, required=True),
        "authenticated_group_by": Field("string", "CN", one_of=("CN", "DN")),
        "consumer_by": Field(
            "array", ["username", "custom_id"], elements=Field("string", one_of=("username", "custom_id"))
        ),
        "anonymous": Field("string"),
        "default_consumer": Field("string"),
        "send_ca_dn": Field("boolean", default=False),
        "revocation_check_mode": Field("string", "IGNORE_CA_ERROR", one_of=("SKIP", "IGNORE_CA_ERROR", "STRICT")),
        "cache_ttl": Field("number", 60, between=(0, _LONGEST_S), required=True),
        "cert_cache_ttl": Field("number", 60_000, between=(0, _LONGEST_MS), required=True),
        "http_timeout": Field("number", 30_000, between=(0, _LONGEST_MS), required=True),
        "http_proxy_host": Field("string", check=host),
        "http_proxy_port": Field("integer", between=(0, 65_535)),
        "https_proxy_host": Field("string", check=host),
        "https_proxy_port": Field("integer", between=(0, 65_535)),
    },
    presence_checks=(_proxies_are_whole,),
)
