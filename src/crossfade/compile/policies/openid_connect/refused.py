"""Kong's fields of openid-connect that can only say what they say by default, with the reason."""

from collections.abc import Callable
from typing import Any, Final

from crossfade.compile.policies.schema import Field

_NO_PROXY: Final = "the gateway turns to the issuer itself"
_ALWAYS: Final = "tokens are always checked"
_NO_POSSESSION: Final = "tokens are bearer tokens: possession of a key is not checked"
_NO_CERTIFICATE: Final = "the gateway's client has no certificate"
_NO_JWT: Final = "the client shows its secret, it signs nothing"
_ONE_AUTH: Final = "client_auth says it for all endpoints"
_NO_STORE: Final = "sessions are stored in cookies only"
_NO_USER_INFO: Final = "claims are those of tokens and of introspection"
_NO_EXTRAS: Final = "the endpoint is asked for what the standard says, with nothing added"
_NO_PUSH: Final = "what is asked of the provider stands in the address that browsers are sent to"
_CLAIMS_INSTEAD: Final = "others are told of claims: upstream_headers_claims, downstream_headers_claims"
_NO_KONG_TOKENS: Final = "callers show access tokens"
_ONE_TTL: Final = "cache_ttl and the expiry of tokens say it"
_NO_EXCHANGE: Final = "tokens are not exchanged"

# Kind, default and reason by name.
_FIELDS: Final[dict[str, tuple[str, Any, str]]] = {
    "using_pseudo_issuer": ("boolean", False, "endpoints and keys are those of the issuer's discovery document"),
    "discovery_headers_names": ("array", None, _NO_EXTRAS),
    "discovery_headers_values": ("array", None, _NO_EXTRAS),
    "extra_jwks_uris": ("set", None, "keys are those of the issuer's jwks_uri"),
    "client_jwk": ("array", None, _NO_JWT),
    "client_alg": ("array", None, _NO_JWT),
    "client_arg": ("string", "client_id", "callers cannot choose among several clients"),
    "unexpected_redirect_uri": ("array", None, "faults are answered, not sent elsewhere"),
    "response_type": ("array", ["code"], "only the authorization code flow is known"),
    "domains": ("array", None, "demand what must be there: groups_required with groups_claim [hd]"),
    "max_age": ("number", None, "when somebody signed in is not looked at: limit session_absolute_timeout"),
    "pushed_authorization_request_endpoint": ("string", None, _NO_PUSH),
    "pushed_authorization_request_endpoint_auth_method": ("string", None, _NO_PUSH),
    "require_pushed_authorization_requests": ("boolean", None, _NO_PUSH),
    "require_signed_request_object": ("boolean", None, _NO_PUSH),
    "authorization_query_args_client": ("array", None, "callers cannot add to what is asked of the provider"),
    "token_endpoint_auth_method": ("string", None, _ONE_AUTH),
    "token_headers_names": ("array", None, _NO_EXTRAS),
    "token_headers_values": ("array", None, _NO_EXTRAS),
    "token_headers_client": ("array", None, _NO_EXTRAS),
    "token_headers_replay": ("array", None, "what the endpoint answers is not sent on"),
    "token_headers_prefix": ("string", None, "what the endpoint answers is not sent on"),
    "token_headers_grants": ("array", None, "what the endpoint answers is not sent on"),
    "token_post_args_names": ("array", None, _NO_EXTRAS),
    "token_post_args_values": ("array", None, _NO_EXTRAS),
    "token_post_args_client": ("array", None, _NO_EXTRAS),
    "introspection_endpoint_auth_method": ("string", None, _ONE_AUTH),
    "introspection_check_active": ("boolean", True, _ALWAYS),
    "introspection_accept": ("string", "application/json", "answers are read as JSON"),
    "introspection_headers_names": ("array", None, _NO_EXTRAS),
    "introspection_headers_values": ("array", None, _NO_EXTRAS),
    "introspection_headers_client": ("array", None, _NO_EXTRAS),
    "introspection_post_args_names": ("array", None, _NO_EXTRAS),
    "introspection_post_args_values": ("array", None, _NO_EXTRAS),
    "introspection_post_args_client": ("array", None, _NO_EXTRAS),
    "introspection_post_args_client_headers": ("array", None, _NO_EXTRAS),
    "introspection_token_param_name": ("string", "token", _NO_EXTRAS),
    "revocation_endpoint_auth_method": ("string", None, _ONE_AUTH),
    "revocation_token_param_name": ("string", "token", _NO_EXTRAS),
    "userinfo_endpoint": ("string", None, _NO_USER_INFO),
    "userinfo_accept": ("string", "application/json", _NO_USER_INFO),
    "userinfo_headers_names": ("array", None, _NO_USER_INFO),
    "userinfo_headers_values": ("array", None, _NO_USER_INFO),
    "userinfo_headers_client": ("array", None, _NO_USER_INFO),
    "userinfo_query_args_names": ("array", None, _NO_USER_INFO),
    "userinfo_query_args_values": ("array", None, _NO_USER_INFO),
    "userinfo_query_args_client": ("array", None, _NO_USER_INFO),
    "search_user_info": ("boolean", False, _NO_USER_INFO),
    "cache_user_info": ("boolean", True, _NO_USER_INFO),
    "token_exchange_endpoint": ("string", None, _NO_EXCHANGE),
    "cache_token_exchange": ("boolean", True, _NO_EXCHANGE),
    "session_storage": ("string", "cookie", _NO_STORE),
    "session_store_metadata": ("boolean", False, _NO_STORE),
    "session_enforce_same_subject": ("boolean", False, "a session belongs to one audience"),
    "session_hash_subject": ("boolean", False, _NO_STORE),
    "session_hash_storage_key": ("boolean", False, _NO_STORE),
    "session_memcached_prefix": ("string", None, _NO_STORE),
    "session_memcached_socket": ("string", None, _NO_STORE),
    "session_memcached_host": ("string", "127.0.0.1", _NO_STORE),
    "session_memcached_port": ("integer", 11211, _NO_STORE),
    "redis": ("record", None, _NO_STORE),
    "session_request_headers": ("set", None, "the upstream is told of claims, not of sessions"),
    "session_response_headers": ("set", None, "clients are told of claims, not of sessions"),
    "reverify": ("boolean", False, "tokens of a session are checked when they come, and again when they are refreshed"),
    "jwt_session_claim": ("string", "sid", _NO_KONG_TOKENS),
    "jwt_session_cookie": ("string", None, _NO_KONG_TOKENS),
    "id_token_param_name": ("string", None, _NO_KONG_TOKENS),
    "id_token_param_type": ("array", ["header", "query", "body"], _NO_KONG_TOKENS),
    "refresh_token_param_name": ("string", None, _NO_KONG_TOKENS),
    "refresh_token_param_type": ("array", ["header", "query", "body"], _NO_KONG_TOKENS),
    "disable_session": ("array", None, "only a sign-in by authorization_code begins a session"),
    "downstream_access_token_header": ("string", None, "tokens are not sent back in headers: login_action response"),
    **{
        f"{side}_{name}_header": ("string", None, _CLAIMS_INSTEAD)
        for side in ("upstream", "downstream")
        for name in (
            "access_token_jwk",
            "id_token",
            "id_token_jwk",
            "refresh_token",
            "user_info",
            "user_info_jwt",
            "introspection",
            "introspection_jwt",
            "session_id",
        )
    },
    "claims_forbidden": ("array", None, "demand what must be there: scopes_required, roles_required"),
    "consumer_groups_claim": ("array", None, "use authenticated_groups_claim and the plugin acl"),
    "by_username_ignore_case": ("boolean", False, "names are compared as they are"),
    "resolve_distributed_claims": ("boolean", False, "claims are those that tokens hold themselves"),
    "display_errors": ("boolean", False, "why a token is refused is told to nobody"),
    "expose_error_code": ("boolean", True, "WWW-Authenticate says what RFC 6750 wants"),
    "enable_hs_signatures": ("boolean", False, "a secret that is shared signs no tokens"),
    "verify_parameters": ("boolean", False, "the provider's discovery document is read when a request needs it"),
    "verify_nonce": ("boolean", True, _ALWAYS),
    "verify_claims": ("boolean", True, _ALWAYS),
    "verify_signature": ("boolean", True, _ALWAYS),
    "ignore_signature": ("array", [], _ALWAYS),
    "cache_ttl_max": ("number", None, _ONE_TTL),
    "cache_ttl_min": ("number", None, _ONE_TTL),
    "cache_ttl_neg": ("number", None, _ONE_TTL),
    "cache_ttl_resurrect": ("number", None, _ONE_TTL),
    "cache_tokens_salt": ("string", None, "tokens are kept by a digest of all that they were given for"),
    "token_cache_key_include_scope": ("boolean", False, "what is kept is kept for its scopes"),
    "cluster_cache_strategy": ("string", "off", "each gateway keeps its own answers"),
    "cluster_cache_redis": ("record", None, "each gateway keeps its own answers"),
    "http_version": ("number", 1.1, "the gateway speaks HTTP/1.1 with the issuer"),
    "http_proxy": ("string", None, _NO_PROXY),
    "http_proxy_authorization": ("string", None, _NO_PROXY),
    "https_proxy": ("string", None, _NO_PROXY),
    "https_proxy_authorization": ("string", None, _NO_PROXY),
    "no_proxy": ("string", None, _NO_PROXY),
    "keepalive": ("boolean", True, "connections to the issuer are closed after an answer"),
    "proof_of_possession_dpop": ("string", "off", _NO_POSSESSION),
    "proof_of_possession_mtls": ("string", "off", _NO_POSSESSION),
    "proof_of_possession_auth_methods_validation": ("boolean", True, _NO_POSSESSION),
    "dpop_use_nonce": ("boolean", False, _NO_POSSESSION),
    "dpop_proof_lifetime": ("number", 300, _NO_POSSESSION),
    "tls_client_auth_cert_id": ("string", None, _NO_CERTIFICATE),
    "tls_client_auth_ssl_verify": ("boolean", True, _NO_CERTIFICATE),
    "mtls_token_endpoint": ("string", None, _NO_CERTIFICATE),
    "mtls_introspection_endpoint": ("string", None, _NO_CERTIFICATE),
    "mtls_revocation_endpoint": ("string", None, _NO_CERTIFICATE),
}


def _only(kind: str, default: Any, reason: str) -> Field:
    return Field(kind, default, check=_checked(default, reason))


def _checked(default: Any, reason: str) -> Callable[[Any], str | None]:
    def only_default(value: Any) -> str | None:
        return None if value == default else reason

    return only_default


REFUSED: Final = {name: _only(*field) for name, field in _FIELDS.items()}
