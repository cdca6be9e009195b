"""openid-connect: which configurations are right, and what authors are warned of."""

from typing import Any

import pytest

from crossfade.compile.policies.openid_connect.schema import NAMES
from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

SAFE: dict[str, Any] = {"issuer": "https://id.example", "auth_methods": ["bearer"], "ssl_verify": True}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"issuer": None}, "config.issuer: required field missing"),
        (
            {"auth_methods": ["bearer", "password"]},
            "config.auth_methods.2: password is not supported: the gateway asks for no tokens",
        ),
        (
            {"auth_methods": ["magic"]},
            (
                "config.auth_methods.1: expected one of: bearer, authorization_code, client_credentials, "
                "introspection, kong_oauth2, password, refresh_token, session, userinfo"
            ),
        ),
        ({"verify_signature": False}, "config.verify_signature: tokens are always checked"),
        ({"ignore_signature": ["password"]}, "config.ignore_signature: tokens are always checked"),
        ({"timeout": 0}, "config.timeout: value should be between 1 and 2147483646"),
        ({"leeway": -1}, "config.leeway: value should be between 0 and 100000000"),
        (
            {"upstream_headers_names": ["Host"]},
            "config.upstream_headers_names.1: the gateway itself sets the header Host",
        ),
        ({"consumer_by": ["email"]}, "config.consumer_by.1: expected one of: id, username, custom_id"),
        ({"session_secret": "x"}, "config.session_secret: unknown field"),
    ],
)
def test_wrong_configurations_are_refused(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("openid-connect", SAFE | config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({reason})"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"issuer": "id.example"}, "issuer is no URL of http or https without user, query and fragment"),
        ({"issuer": "https://a:b@id.example"}, "issuer is no URL of http or https without user, query and fragment"),
        (
            {"upstream_headers_claims": ["email"]},
            "upstream_headers_claims and upstream_headers_names must be of the same length",
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
        ({"client_id": ["a"], "client_secret": ["b"]}, "config.client_id, config.client_secret: of no use"),
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
