"""Schema of openid-connect: what is carried out of Kong's fields, and why others are not (kong.md §6.1)."""

from collections.abc import Callable
from typing import Any, Final

from crossfade.compile.policies.checks import free_header_name
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade.compile.policies.session.schema import cookie_name
from crossfade_kube.meta import JsonObject

_LONGEST_S: Final = 100_000_000
_LONGEST_MS: Final = 2_147_483_646
_NO_METHOD: Final = {
    "authorization_code": "browsers are not sent to a provider",
    "client_credentials": "the gateway asks for no tokens",
    "introspection": "tokens must be JWTs, which the gateway checks itself",
    "kong_oauth2": "the plugin oauth2 knows its own tokens",
    "password": "the gateway asks for no tokens",
    "refresh_token": "the gateway asks for no tokens",
    "session": "use the plugin session",
    "userinfo": "tokens must be JWTs, which the gateway checks itself",
}


def auth_method(value: str) -> str | None:
    if value in _NO_METHOD:
        return f"{value} is not supported: {_NO_METHOD[value]}"
    return None if value == "bearer" else f"expected one of: bearer, {', '.join(sorted(_NO_METHOD))}"


def _only(kind: str, default: Any, reason: str) -> Field:
    """A field of Kong's that can only say what it says by default."""
    return Field(kind, default, check=_checked(default, reason))


def _checked(default: Any, reason: str) -> Callable[[Any], str | None]:
    def only_default(value: Any) -> str | None:
        return None if value == default else reason

    return only_default


def _texts(default: list[str] | None = None) -> Field:
    return Field("array", default, elements=Field("string"))


def _header_names() -> Field:
    return Field("array", elements=Field("string", check=free_header_name))


def _secrets() -> Field:
    return Field("array", elements=Field("string", referenceable=True))


def _cookie_has_a_name(config: JsonObject) -> Problems:
    if "cookie" not in config["bearer_token_param_type"] or config["bearer_token_cookie_name"] is not None:
        return {}
    text = "failed conditional validation given value of field 'config.bearer_token_param_type'"
    return {ENTITY: [text], "bearer_token_cookie_name": "required field missing"}


_PLACES: Final = ("header", "cookie", "query", "body")
_NO_INTROSPECTION: Final = "tokens are not introspected: they must be JWTs"
_NO_PROXY: Final = "the gateway turns to the issuer itself"
_NO_REDIRECT: Final = "refused requests are answered, not sent elsewhere"
_ALWAYS: Final = "tokens are always checked"
_NO_POSSESSION: Final = "tokens are bearer tokens: possession of a key is not checked"

_UNSUPPORTED: Final = {
    "claims_forbidden": _only("array", None, "demand what must be there: scopes_required, roles_required"),
    "consumer_groups_claim": _only("array", None, "use authenticated_groups_claim and the plugin acl"),
    "display_errors": _only("boolean", False, "why a token is refused is told to nobody"),
    "downstream_access_token_header": _only("string", None, "tokens are not sent back"),
    "enable_hs_signatures": _only("boolean", False, "a secret that is shared signs no tokens"),
    "extra_jwks_uris": _only("array", None, "keys are those of the issuer's jwks_uri"),
    "forbidden_redirect_uri": _only("array", None, _NO_REDIRECT),
    "http_proxy": _only("string", None, _NO_PROXY),
    "https_proxy": _only("string", None, _NO_PROXY),
    "ignore_signature": _only("array", [], _ALWAYS),
    "introspect_jwt_tokens": _only("boolean", False, _NO_INTROSPECTION),
    "introspection_endpoint": _only("string", None, _NO_INTROSPECTION),
    "proof_of_possession_dpop": _only("string", "off", _NO_POSSESSION),
    "proof_of_possession_mtls": _only("string", "off", _NO_POSSESSION),
    "search_user_info": _only("boolean", False, "claims are those of the token"),
    "unauthorized_redirect_uri": _only("array", None, _NO_REDIRECT),
    "verify_claims": _only("boolean", True, _ALWAYS),
    "verify_signature": _only("boolean", True, _ALWAYS),
}
_OF_CLIENTS: Final = {
    "client_id": _secrets(),
    "client_secret": _secrets(),
    "scopes": _texts(["openid"]),
}
_CARRIED_OUT: Final = {
    "issuer": Field("string", required=True),
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
NAMES_OF_CLIENTS: Final = tuple(_OF_CLIENTS)

SCHEMA: Final = Schema(_CARRIED_OUT | _OF_CLIENTS | _UNSUPPORTED, checks=(_cookie_has_a_name,))
