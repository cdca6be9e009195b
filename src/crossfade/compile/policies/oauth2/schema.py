"""Schema of oauth2's configuration (kong.md §5.6)."""

from typing import Final

from crossfade.compile.policies.checks import header_value
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject

_FLOWS: Final = (
    "enable_authorization_code",
    "enable_implicit_grant",
    "enable_client_credentials",
    "enable_password_grant",
)


def whole_seconds(value: float) -> str | None:
    """Kong takes fractions and fails when it gives a token."""
    return "expected an integer" if value % 1 else None


def no_codes(value: bool) -> str | None:
    if not value:
        return None
    return "codes work once only, which no gateway can know without a database: use another flow"


def _has_a_flow(config: JsonObject) -> Problems:
    if any(config[name] for name in _FLOWS):
        return {}
    return {ENTITY: [f"config: at least one of these fields must be true: {', '.join(_FLOWS)}"]}


def _has_scopes_to_demand(config: JsonObject) -> Problems:
    if not config["mandatory_scope"] or config["scopes"] is not None:
        return {}
    return {
        ENTITY: ["failed conditional validation given value of field 'mandatory_scope'"],
        "scopes": "required field missing",
    }


def _flag(*, check: bool = False) -> Field:
    return Field("boolean", default=False, required=True, check=no_codes if check else None)


SCHEMA: Final = Schema(
    {
        "scopes": Field("array", elements=Field("string")),
        "mandatory_scope": _flag(),
        "provision_key": Field("string"),
        "token_expiration": Field("number", 7200, required=True, between=(0, 100_000_000), check=whole_seconds),
        "enable_authorization_code": _flag(check=True),
        "enable_implicit_grant": _flag(),
        "enable_client_credentials": _flag(),
        "enable_password_grant": _flag(),
        "hide_credentials": _flag(),
        "accept_http_if_already_terminated": _flag(),
        "anonymous": Field("string"),
        "global_credentials": _flag(),
        "auth_header_name": Field("string", "authorization"),
        "refresh_token_ttl": Field("number", 1_209_600, required=True, between=(0, 100_000_000)),
        "reuse_refresh_token": _flag(),
        "pkce": Field("string", "lax", one_of=("none", "lax", "strict")),
        "realm": Field("string", check=header_value),
    },
    checks=(_has_a_flow, _has_scopes_to_demand),
)
