"""openid-connect: which configurations are right, and what authors are warned of."""

from typing import Any

import pytest

from crossfade.compile.policies.openid_connect.schema import NAMES, SCHEMA
from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

SAFE: dict[str, Any] = {"issuer": "https://id.example", "auth_methods": ["bearer"], "ssl_verify": True}
CODE: dict[str, Any] = {
    "auth_methods": ["authorization_code", "session"],
    "client_id": ["shop"],
    "client_secret": ["very secret"],
    "session_secret": "secret too",
}


NO_ISSUER = "is no URL of http or https without user, query and fragment"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"issuer": None}, "config.issuer: required field missing"),
        (
            {"auth_methods": ["bearer", "userinfo"]},
            "config.auth_methods.2: userinfo is not supported: claims are those of tokens and of introspection",
        ),
        (
            {"auth_methods": ["password", "session"]},
            "config.client_id: required by auth_methods password, session: it names the gateway's client at the issuer",
        ),
        ({"client_id": ["a", "b"]}, "config.client_id: one only: callers cannot choose among several clients"),
        (
            {"client_auth": ["private_key_jwt"]},
            "config.client_auth.1: private_key_jwt is not supported: the client shows its secret",
        ),
        ({"response_mode": "fragment"}, "config.response_mode: fragment is not supported: the gateway cannot read it"),
        ({"login_methods": ["userinfo"]}, "config.login_methods.1: the method userinfo is not supported"),
        ({"login_tokens": ["tokens"]}, "config.login_tokens.1: tokens is not supported: name the tokens"),
        ({"session_storage": "redis"}, "config.session_storage: sessions are stored in cookies only"),
        (
            {"session_cookie_path": "/;x"},
            "config.session_cookie_path: cannot stand in a cookie: no semicolons, ASCII only",
        ),
        ({"redirect_uri": ["/back"]}, "config.redirect_uri.1: missing scheme in url"),
        (
            {"authorization_query_args_names": ["a"]},
            "authorization_query_args_names and authorization_query_args_values must be of the same length",
        ),
        (
            {"auth_methods": ["magic"]},
            (
                "config.auth_methods.1: expected one of: password, client_credentials, authorization_code, bearer, "
                "introspection, session, kong_oauth2, refresh_token, userinfo"
            ),
        ),
        ({"verify_signature": False}, "config.verify_signature: tokens are always checked"),
        ({"ignore_signature": ["password"]}, "config.ignore_signature: tokens are always checked"),
        ({"timeout": 0}, "config.timeout: value should be between 1 and 2147483646"),
        ({"issuer": "id.example"}, f"config.issuer: {NO_ISSUER}"),
        ({"issuer": "https://a:b@id.example"}, f"config.issuer: {NO_ISSUER}"),
        ({"leeway": -1}, "config.leeway: value should be between 0 and 100000000"),
        (
            {"upstream_headers_names": ["Host"]},
            "config.upstream_headers_names.1: the gateway itself sets the header Host",
        ),
        ({"consumer_by": ["email"]}, "config.consumer_by.1: expected one of: id, username, custom_id"),
        ({"session_secrets": "x"}, "config.session_secrets: unknown field"),
    ],
)
def test_wrong_configurations_are_refused(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("openid-connect", SAFE | config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({reason})"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            {"upstream_headers_claims": ["email"]},
            "upstream_headers_claims and upstream_headers_names must be of the same length",
        ),
        (
            CODE | {"logout_redirect_uri": ["ftp://a.test"]},
            "addresses to send browsers to must be URLs of http or https",
        ),
        (
            CODE | {"authorization_cookie_name": "session2"},
            "authorization_cookie_name and session_cookie_name must differ",
        ),
        (
            CODE | {"session_remember": True, "session_remember_cookie_name": "Session"},
            "session_cookie_name and session_remember_cookie_name must differ",
        ),
        (
            {"upstream_access_token_header": "x-token:basic"},
            "upstream_access_token_header: behind the header's name only bearer can stand",
        ),
    ],
)
def test_the_module_has_the_last_word(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("openid-connect", SAFE | config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


def test_a_cookie_needs_its_name() -> None:
    verdict = judge_plugin("openid-connect", SAFE | {"bearer_token_param_type": ["cookie"]})
    assert isinstance(verdict, Refused)
    assert verdict.reason.endswith("config.bearer_token_cookie_name: required field missing)")


def test_what_kong_writes_by_default_is_right() -> None:
    defaults = {"verify_signature": True, "introspect_jwt_tokens": False, "ignore_signature": [], "scopes": ["openid"]}
    verdict = judge_plugin("openid-connect", SAFE | defaults)
    assert isinstance(verdict, Accepted)
    assert verdict.warnings == ()
    (step,) = verdict.steps
    assert isinstance(step, ModuleStep)
    assert tuple(step.config) == NAMES


@pytest.mark.parametrize(
    ("config", "beginning"),
    [
        ({"auth_methods": None}, "config.auth_methods: left out, it is [bearer]"),
        ({"ssl_verify": False}, "whoever stands between"),
        ({"issuer": "http://id.example"}, "whoever stands between"),
        ({"client_id": ["a"], "client_secret": ["b"]}, "config.client_id, config.client_secret: of no use to check"),
        (CODE | {"session_secret": None}, "without a secret sessions and sign-ins end"),
        (CODE | {"auth_methods": ["authorization_code"]}, "config.auth_methods: without session browsers are sent"),
        (CODE | {"auth_methods": ["session"]}, "config.auth_methods: without authorization_code no session"),
        (
            CODE | {"response_mode": "form_post", "authorization_cookie_same_site": "Strict"},
            "config.authorization_cookie_same_site: with Strict browsers do not send",
        ),
        (
            {"auth_methods": ["introspection"], "client_id": ["a"], "logout_revoke": True},
            "config.logout_revoke: of no use without authorization_code and session",
        ),
        (
            CODE | {"auth_methods": None},
            (
                "config.auth_methods: left out, it is [password, client_credentials, authorization_code, bearer, "
                "introspection, session]"
            ),
        ),
    ],
)
def test_warnings(config: dict[str, Any], beginning: str) -> None:
    verdict = judge_plugin("openid-connect", SAFE | config)
    assert isinstance(verdict, Accepted)
    (warning,) = verdict.warnings
    assert warning.startswith(beginning)


def test_a_secret_of_no_use_stays_here() -> None:
    verdict = judge_plugin("openid-connect", SAFE | {"client_secret": ["very secret"]})
    assert "very secret" not in str(verdict)


def told(**config: Any) -> dict[str, Any]:
    verdict = judge_plugin("openid-connect", SAFE | CODE | config)
    assert isinstance(verdict, Accepted), verdict
    (step,) = verdict.steps
    assert isinstance(step, ModuleStep)
    return dict(step.config)


@pytest.mark.parametrize(
    ("config", "same_site"),
    [
        ({}, "Lax"),
        ({"response_mode": "form_post"}, "None"),
        ({"authorization_cookie_same_site": "Strict"}, "Strict"),
        ({"authorization_cookie_samesite": "off"}, "Lax"),
    ],
)
def test_the_cookie_of_a_sign_in_comes_back_with_it(config: dict[str, Any], same_site: str) -> None:
    assert told(**config)["browser"]["sign_in"]["cookie"]["same_site"] == same_site


def test_only_what_is_needed_is_told() -> None:
    assert told()["client"] | {"id": "shop", "secret": "very secret", "auth": None} == told()["client"]
    assert told(auth_methods=["session"])["browser"]["sign_in"] is None
    assert told(auth_methods=["authorization_code"])["browser"]["sessions"] is None
    assert "browser" not in told(auth_methods=["password"])
    assert told(session_cookie_lifetime=7)["browser"]["sessions"]["rolling_timeout"] == 7
    assert told(session_remember=True)["browser"]["sessions"]["remember"]["cookie"]["name"] == "remember"
    revoked = told(logout_revoke=True, logout_revoke_access_token=False)["browser"]["logout"]
    assert (revoked["revokes_access"], revoked["revokes_refresh"]) == (False, True)


def test_secrets_may_be_references() -> None:
    fields = SCHEMA.fields
    assert fields["session_secret"].referenceable
    for name in ("client_id", "client_secret"):
        element = fields[name].elements
        assert element is not None
        assert element.referenceable
