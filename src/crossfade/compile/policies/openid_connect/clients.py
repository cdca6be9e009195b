"""Fields for the gateway as a client of the provider's: tokens, sign-in of browsers, sessions (kong.md §6.1)."""

from typing import Any, Final

from crossfade.compile.policies.checks import url
from crossfade.compile.policies.schema import ENTITY, Field, Problems
from crossfade.compile.policies.session.schema import audience, cookie_attribute, cookie_name
from crossfade_kube.meta import JsonObject

_LONGEST_S: Final = 100_000_000
_DAY: Final = 86_400
METHODS: Final = ("password", "client_credentials", "authorization_code", "bearer", "introspection", "session")
"""In Kong's order; those of its methods that are carried out."""
_OF_BROWSERS: Final = ("authorization_code", "session")
_OWN_AUTH: Final = ("client_secret_basic", "client_secret_post", "none")
_NO_AUTH: Final = {
    "client_secret_jwt": "the client shows its secret",
    "private_key_jwt": "the client shows its secret",
    "self_signed_tls_client_auth": "the client has no certificate",
    "tls_client_auth": "the client has no certificate",
}
_NO_LOGIN: Final = ("kong_oauth2", "refresh_token", "userinfo")
_NO_MODE: Final = {
    "fragment": "the gateway cannot read it",
    "fragment.jwt": "the gateway cannot read it",
    "form_post.jwt": "answers are not JWTs",
    "jwt": "answers are not JWTs",
    "query.jwt": "answers are not JWTs",
}


def client_auth(value: str) -> str | None:
    if value in _NO_AUTH:
        return f"{value} is not supported: {_NO_AUTH[value]}"
    return _one_of(value, _OWN_AUTH, tuple(_NO_AUTH))


def login_method(value: str) -> str | None:
    return f"the method {value} is not supported" if value in _NO_LOGIN else _one_of(value, METHODS, _NO_LOGIN)


def login_token(value: str) -> str | None:
    own, others = ("id_token", "access_token", "refresh_token"), ("tokens", "introspection")
    return f"{value} is not supported: name the tokens" if value in others else _one_of(value, own, others)


def response_mode(value: str) -> str | None:
    if value in _NO_MODE:
        return f"{value} is not supported: {_NO_MODE[value]}"
    return _one_of(value, ("query", "form_post"), tuple(_NO_MODE))


def _one_of(value: str, own: tuple[str, ...], others: tuple[str, ...]) -> str | None:
    return None if value in own else f"expected one of: {', '.join((*own, *others))}"


def _secrets() -> Field:
    return Field("array", elements=Field("string", referenceable=True))


def _urls(*, referenceable: bool = False) -> Field:
    return Field("array", elements=Field("string", check=url, referenceable=referenceable))


def _texts(default: list[str] | None = None) -> Field:
    return Field("array", default, elements=Field("string"))


def _timeout(default: float) -> Field:
    # A negative one would end each session at once.
    return Field("number", default, between=(0, _LONGEST_S))


def _places() -> Field:
    return Field("array", ["header", "query", "body"], elements=Field("string", one_of=("header", "query", "body")))


OF_CLIENTS: Final = {
    "client_id": _secrets(),
    "client_secret": _secrets(),
    "client_auth": Field("array", elements=Field("string", check=client_auth)),
    "scopes": Field("array", ["openid"], elements=Field("string", referenceable=True)),
    "audience": _texts(),
    "authorization_endpoint": Field("string", check=url),
    "token_endpoint": Field("string", check=url),
    "introspection_endpoint": Field("string", check=url),
    "revocation_endpoint": Field("string", check=url),
    "end_session_endpoint": Field("string", check=url),
    "introspection_hint": Field("string", "access_token"),
    "introspect_jwt_tokens": Field("boolean", default=False),
    "cache_tokens": Field("boolean", default=True),
    "cache_introspection": Field("boolean", default=True),
    "client_credentials_param_type": _places(),
    "password_param_type": _places(),
}
OF_BROWSERS: Final = {
    "redirect_uri": _urls(),
    "response_mode": Field("string", "query", check=response_mode),
    "require_proof_key_for_code_exchange": Field("boolean"),
    "authorization_query_args_names": _texts(),
    "authorization_query_args_values": _texts(),
    "authorization_rolling_timeout": _timeout(600),
    "authorization_cookie_name": Field("string", "authorization", check=cookie_name),
    "authorization_cookie_path": Field("string", "/", check=cookie_attribute),
    "authorization_cookie_domain": Field("string", check=cookie_attribute),
    "authorization_cookie_same_site": Field("string", "Default", one_of=("Strict", "Lax", "None", "Default")),
    "authorization_cookie_http_only": Field("boolean", default=True),
    "authorization_cookie_secure": Field("boolean"),
    "preserve_query_args": Field("boolean", default=False),
    "login_methods": Field("array", ["authorization_code"], elements=Field("string", check=login_method)),
    "login_action": Field("string", "upstream", one_of=("upstream", "response", "redirect")),
    "login_tokens": Field("array", ["id_token"], elements=Field("string", check=login_token)),
    "login_redirect_mode": Field("string", "fragment", one_of=("query", "fragment")),
    "login_redirect_uri": _urls(referenceable=True),
    "logout_methods": Field("array", ["POST", "DELETE"], elements=Field("string", one_of=("POST", "GET", "DELETE"))),
    "logout_uri_suffix": Field("string"),
    "logout_query_arg": Field("string"),
    "logout_post_arg": Field("string"),
    "logout_redirect_uri": _urls(referenceable=True),
    "logout_revoke": Field("boolean", default=False),
    "logout_revoke_access_token": Field("boolean", default=True),
    "logout_revoke_refresh_token": Field("boolean", default=True),
    "refresh_tokens": Field("boolean", default=True),
    "session_secret": Field("string", referenceable=True),
    "session_audience": Field("string", "default", check=audience),
    "session_cookie_name": Field("string", "session", check=cookie_name),
    "session_cookie_path": Field("string", "/", check=cookie_attribute),
    "session_cookie_domain": Field("string", check=cookie_attribute),
    "session_cookie_same_site": Field("string", "Lax", one_of=("Strict", "Lax", "None", "Default")),
    "session_cookie_http_only": Field("boolean", default=True),
    "session_cookie_secure": Field("boolean"),
    "session_idling_timeout": _timeout(900),
    "session_rolling_timeout": _timeout(3600),
    "session_absolute_timeout": _timeout(_DAY),
    "session_remember": Field("boolean", default=False),
    "session_remember_cookie_name": Field("string", "remember", check=cookie_name),
    "session_remember_rolling_timeout": _timeout(7 * _DAY),
    "session_remember_absolute_timeout": _timeout(30 * _DAY),
    "unauthorized_destroy_session": Field("boolean", default=True),
    "forbidden_destroy_session": Field("boolean", default=True),
}
REDIRECTS: Final = {"unauthorized_redirect_uri": _urls(), "forbidden_redirect_uri": _urls()}
"""For callers of whichever method."""

_OF_ONE: Final = (
    "client_id",
    "client_secret",
    "client_auth",
    "redirect_uri",
    "login_redirect_uri",
    "logout_redirect_uri",
    *REDIRECTS,
)


def one_each(config: JsonObject) -> Problems:
    """Kong lets callers choose among several clients."""
    several = [name for name in _OF_ONE if len(config[name] or ()) > 1]
    return dict.fromkeys(several, "one only: callers cannot choose among several clients")


def client_is_there(config: JsonObject) -> Problems:
    needed = [method for method in config["auth_methods"] or () if method != "bearer"]
    if not needed or config["client_id"]:
        return {}
    return {"client_id": f"required by auth_methods {', '.join(needed)}: it names the gateway's client at the issuer"}


def arguments_are_pairs(config: JsonObject) -> Problems:
    names, values = (config[f"authorization_query_args_{part}"] or () for part in ("names", "values"))
    if len(names) == len(values):
        return {}
    return {ENTITY: ["authorization_query_args_names and authorization_query_args_values must be of the same length"]}


def methods_of(config: JsonObject) -> tuple[str, ...]:
    """Left out, they are all that can be: Kong has its own then."""
    if config["auth_methods"] is not None:
        return tuple(dict.fromkeys(config["auth_methods"]))
    return METHODS if config["client_id"] else ("bearer",)


def is_for_browsers(methods: tuple[str, ...]) -> bool:
    return any(method in _OF_BROWSERS for method in methods)


def told_of_client(config: JsonObject, methods: tuple[str, ...]) -> JsonObject:
    """What the policy module needs beyond checking tokens; nothing where there is no need."""
    told: JsonObject = {name: _first(config[name]) for name in REDIRECTS if config[name]}
    if methods == ("bearer",):
        return told
    told["client"] = {
        "id": _first(config["client_id"]),
        "secret": _first(config["client_secret"]),
        "auth": _first(config["client_auth"]),
        "scopes": config["scopes"],
        "audience": config["audience"] or [],
        **{name: config[name] for name in OF_CLIENTS if name.endswith("_endpoint")},
        "introspection_hint": config["introspection_hint"],
    }
    told |= {name: config[name] for name in ("introspect_jwt_tokens", "cache_tokens", "cache_introspection")}
    if is_for_browsers(methods):
        told |= {"session_secret": config["session_secret"], "browser": _browser(config, methods)}
    return told


def _browser(config: JsonObject, methods: tuple[str, ...]) -> JsonObject:
    revokes = config["logout_revoke"]
    return {
        "audience": config["session_audience"],
        "sign_in": _sign_in(config) if "authorization_code" in methods else None,
        "sessions": _sessions(config) if "session" in methods else None,
        "logout": {
            "methods": config["logout_methods"],
            **{name: config[f"logout_{name}"] for name in ("uri_suffix", "query_arg", "post_arg")},
            "redirect_uri": _first(config["logout_redirect_uri"]),
            "revokes_access": revokes and config["logout_revoke_access_token"],
            "revokes_refresh": revokes and config["logout_revoke_refresh_token"],
        },
        "login": {
            **{name: config[f"login_{name}"] for name in ("methods", "action", "tokens", "redirect_mode")},
            "redirect_uri": _first(config["login_redirect_uri"]),
        },
        **{name: config[name] for name in ("unauthorized_destroy_session", "forbidden_destroy_session")},
    }


def _sign_in(config: JsonObject) -> JsonObject:
    names, values = (config[f"authorization_query_args_{part}"] or () for part in ("names", "values"))
    # A form that another site posts brings no other cookies.
    usual = "None" if config["response_mode"] == "form_post" else "Lax"
    return {
        "cookie": _cookie(config, "authorization_cookie", usual),
        "timeout": config["authorization_rolling_timeout"],
        "redirect_uri": _first(config["redirect_uri"]),
        "response_mode": config["response_mode"],
        "pkce": config["require_proof_key_for_code_exchange"],
        "extra": [list(pair) for pair in zip(names, values, strict=True)],
        "preserve_query_args": config["preserve_query_args"],
    }


def _sessions(config: JsonObject) -> JsonObject:
    cookie = _cookie(config, "session_cookie", "Lax")
    remember = {
        "cookie": cookie | {"name": config["session_remember_cookie_name"]},
        "rolling_timeout": config["session_remember_rolling_timeout"],
        "absolute_timeout": config["session_remember_absolute_timeout"],
    }
    return {
        "cookie": cookie,
        **{name: config[f"session_{name}"] for name in ("idling_timeout", "rolling_timeout", "absolute_timeout")},
        "remember": remember if config["session_remember"] else None,
        "refreshes": config["refresh_tokens"],
    }


def _cookie(config: JsonObject, prefix: str, usual_same_site: str) -> JsonObject:
    same_site = config[f"{prefix}_same_site"]
    return {
        **{name: config[f"{prefix}_{name}"] for name in ("name", "path", "domain", "http_only", "secure")},
        "same_site": usual_same_site if same_site == "Default" else same_site,
    }


def _first(values: list[Any] | None) -> Any:
    return values[0] if values else None
