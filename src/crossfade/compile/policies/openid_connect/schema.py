"""Schema of openid-connect: what is carried out of Kong's fields, and why others are not (kong.md §6.1)."""

from collections.abc import Mapping
from typing import Any, Final

from crossfade.compile.policies.checks import free_header_name
from crossfade.compile.policies.module_words import module_words
from crossfade.compile.policies.openid_connect.clients import (
    METHODS,
    OF_BROWSERS,
    OF_CLIENTS,
    REDIRECTS,
    arguments_are_pairs,
    client_is_there,
    one_each,
)
from crossfade.compile.policies.openid_connect.refused import REFUSED
from crossfade.compile.policies.renaming import renaming
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade.compile.policies.session.schema import cookie_name
from crossfade_kube.meta import JsonObject

_LONGEST_S: Final = 100_000_000
_LONGEST_MS: Final = 2_147_483_646
_NO_METHOD: Final = {
    "kong_oauth2": "the plugin oauth2 knows its own tokens",
    "refresh_token": "callers show access tokens",
    "userinfo": "claims are those of tokens and of introspection",
}


def auth_method(value: str) -> str | None:
    if value in _NO_METHOD:
        return f"{value} is not supported: {_NO_METHOD[value]}"
    return None if value in METHODS else f"expected one of: {', '.join((*METHODS, *sorted(_NO_METHOD)))}"


def issuer(text: str) -> str | None:
    """The policy module has the last word on where it can ask."""
    others = {name: field.default for name, field in _CARRIED_OUT.items()}
    return module_words("openid-connect", others | {"issuer": text, "auth_methods": ["bearer"]}, about="issuer ")


def _texts(default: list[str] | None = None) -> Field:
    return Field("array", default, elements=Field("string"))


def _header_names() -> Field:
    return Field("array", elements=Field("string", check=free_header_name))


def _cookie_has_a_name(config: JsonObject) -> Problems:
    if "cookie" not in config["bearer_token_param_type"] or config["bearer_token_cookie_name"] is not None:
        return {}
    text = "failed conditional validation given value of field 'config.bearer_token_param_type'"
    return {ENTITY: [text], "bearer_token_cookie_name": "required field missing"}


_PLACES: Final = ("header", "cookie", "query", "body")

_CARRIED_OUT: Final = {
    "issuer": Field("string", required=True, check=issuer),
    "issuers_allowed": _texts(),
    "auth_methods": Field("array", elements=Field("string", check=auth_method)),
    "bearer_token_param_type": Field(
        "array", ["header", "query", "body"], elements=Field("string", one_of=_PLACES), required=True
    ),
    "bearer_token_cookie_name": Field("string", check=cookie_name),
    "ssl_verify": Field("boolean", default=False, required=True),
    "timeout": Field("integer", 10_000, between=(1, _LONGEST_MS), required=True),
    "cache_ttl": Field("number", 3600, between=(0, _LONGEST_S), required=True),
    "rediscovery_lifetime": Field("number", 30, between=(0, _LONGEST_S), required=True),
    "leeway": Field("number", 0, between=(0, _LONGEST_S), required=True),
    "scopes_required": _texts(),
    "scopes_claim": _texts(["scope"]),
    "audience_required": _texts(),
    "audience_claim": _texts(["aud"]),
    "groups_required": _texts(),
    "groups_claim": _texts(["groups"]),
    "roles_required": _texts(),
    "roles_claim": _texts(["roles"]),
    "consumer_claim": _texts(),
    "consumer_by": Field(
        "array",
        ["username", "custom_id"],
        elements=Field("string", one_of=("id", "username", "custom_id")),
    ),
    "consumer_optional": Field("boolean", default=False, required=True),
    "credential_claim": _texts(["sub"]),
    "authenticated_groups_claim": _texts(),
    "upstream_headers_claims": _texts(),
    "upstream_headers_names": _header_names(),
    "downstream_headers_claims": _texts(),
    "downstream_headers_names": _header_names(),
    "upstream_access_token_header": Field("string"),
    "hide_credentials": Field("boolean", default=False, required=True),
    "run_on_preflight": Field("boolean", default=True, required=True),
    "anonymous": Field("string"),
    "unauthorized_error_message": Field("string", "Unauthorized", required=True),
    "forbidden_error_message": Field("string", "Forbidden", required=True),
}
# What the policy module is told.
NAMES: Final = tuple(_CARRIED_OUT)
# What is only of use where the gateway is a client of the provider's.
NAMES_OF_CLIENTS: Final = tuple(OF_CLIENTS)
# What is only of use where browsers sign in.
NAMES_OF_BROWSERS: Final = tuple(OF_BROWSERS)

SCHEMA: Final = Schema(
    _CARRIED_OUT | OF_CLIENTS | OF_BROWSERS | REDIRECTS | REFUSED,
    checks=(_cookie_has_a_name, one_each, client_is_there, arguments_are_pairs),
)

# `session_cookie_renew`, `_maxsize`, `session_strategy` and `session_compressor` have had no meaning since Kong 3.2.
_GONE: Final = ("session_cookie_renew", "session_cookie_maxsize", "session_strategy", "session_compressor")
_renamed: Final = renaming(
    {
        "authorization_cookie_lifetime": "authorization_rolling_timeout",
        "authorization_cookie_samesite": "authorization_cookie_same_site",
        "authorization_cookie_httponly": "authorization_cookie_http_only",
        "session_cookie_lifetime": "session_rolling_timeout",
        "session_cookie_idletime": "session_idling_timeout",
        "session_cookie_samesite": "session_cookie_same_site",
        "session_cookie_httponly": "session_cookie_http_only",
    }
)


def with_new_names(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spellings of Kong 2, where `off` is no `SameSite` at all."""
    found = dict(_renamed({name: value for name, value in config.items() if name not in _GONE}))
    for name in ("authorization_cookie_same_site", "session_cookie_same_site"):
        if found.get(name) == "off":
            found[name] = "Default"
    return found
