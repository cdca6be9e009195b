"""Schema of acme's configuration, with Kong's own texts (kong.md §5.22); what storage it has no use for is refused."""

import re
from collections.abc import Callable
from typing import Any, Final

from crossfade.compile.policies.acme.keys import account_key
from crossfade.compile.policies.checks import host_name_with_port, url
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject

LETS_ENCRYPT: Final = "https://acme-v02.api.letsencrypt.org/directory"
_NEED_TERMS: Final = ("https://acme-v02.api.letsencrypt.org", "https://acme-staging-v02.api.letsencrypt.org")
_TERMS: Final = "terms of service must be accepted, see https://letsencrypt.org/repository/"
_KEY_SIZES: Final = (2048, 3072, 4096)
_BASE64_URL: Final = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}(?:==)?|[A-Za-z0-9_-]{3}=?)?", re.ASCII)
_OURS: Final = (
    "the gateway keeps certificates in Secrets of its own, which all replicas share, or in a folder; leave it out, or "
    "use shm or kong"
)


def account_email(text: str) -> str | None:
    return None if "@" in text else f"invalid value: {text}"


def rsa_key_size(value: float) -> str | None:
    return None if value in _KEY_SIZES else f"expected one of: {', '.join(map(str, _KEY_SIZES))}"


def domain(text: str) -> str | None:
    """As the hosts of Kong's routes."""
    if text.count("*") > 1:
        return "invalid wildcard: must have at most one wildcard"
    if "*" in text and not text.startswith("*.") and not text.endswith(".*"):
        return "invalid wildcard: must be placed at leftmost or rightmost label"
    return host_name_with_port(text.replace("*", "abc"))


def acme_storage(text: str) -> str | None:
    if text in ("shm", "kong"):
        return None
    if text in ("redis", "consul", "vault"):
        return f"{text} is not supported: {_OURS}"
    return "expected one of: kong, shm, redis, consul, vault"


def no_storage(value: Any) -> str | None:
    del value
    return _OURS


def key_set(value: str) -> str | None:
    del value
    return "there are no sets of keys: key_id is the key itself"


def hmac_key(text: str) -> str | None:
    """Kong finds out when it asks the authority; the text is secret."""
    return None if _BASE64_URL.fullmatch(text) else "expected base64 in the alphabet for URLs"


def _terms_are_accepted(config: JsonObject) -> Problems:
    if config["api_uri"] not in _NEED_TERMS or config["tos_accepted"]:
        return {}
    text = "failed conditional validation given value of field 'config.api_uri'"
    return {ENTITY: [text], "tos_accepted": _TERMS}


def _binding_is_whole(config: JsonObject) -> Problems:
    """With one of both no authority can be asked."""
    if (config["eab_kid"] is None) is (config["eab_hmac_key"] is None):
        return {}
    missing = "eab_kid" if config["eab_kid"] is None else "eab_hmac_key"
    return {missing: "required field missing: eab_kid and eab_hmac_key belong together"}


def _elsewhere() -> Field:
    return Field("map", len_min=0, check=no_storage)


_STORAGES: Final = {
    "shm": Field("record", fields={"shm_name": Field("string", "kong")}),
    "kong": Field("map", len_min=0),
    "redis": _elsewhere(),
    "consul": _elsewhere(),
    "vault": _elsewhere(),
}
_ACCOUNT_KEY: Final = {
    "key_id": Field("string", required=True, check=account_key, referenceable=True),
    "key_set": Field("string", check=key_set),
}


def _text(check: Callable[[Any], str | None] | None = None, **more: Any) -> Field:
    return Field("string", check=check, referenceable=True, **more)


SCHEMA: Final = Schema(
    {
        "account_email": _text(account_email, required=True),
        "account_key": Field("record", fields=_ACCOUNT_KEY),
        "api_uri": Field("string", LETS_ENCRYPT, check=url),
        "tos_accepted": Field("boolean", default=False),
        "eab_kid": _text(),
        "eab_hmac_key": _text(hmac_key),
        "cert_type": Field("string", "rsa", one_of=("rsa", "ecc")),
        "rsa_key_size": Field("number", 4096, check=rsa_key_size),
        "renew_threshold_days": Field("number", 14),
        "domains": Field("array", elements=Field("string", check=domain)),
        "allow_any_domain": Field("boolean", default=False),
        "fail_backoff_minutes": Field("number", 5),
        "storage": Field("string", "shm", check=acme_storage),
        "storage_config": Field("record", fields=_STORAGES),
        "preferred_chain": Field("string"),
        "enable_ipv4_common_name": Field("boolean", default=True),
    },
    checks=(_terms_are_accepted, _binding_is_whole),
)
