"""oauth2: which configurations are right, and which Secrets are applications."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep, OAuthClient
from crossfade.compile.policies.registry import CREDENTIAL_TYPES, Accepted, Refused, judge_plugin

OAUTH2 = CREDENTIAL_TYPES["oauth2"]
FLOWS = "enable_authorization_code, enable_implicit_grant, enable_client_credentials, enable_password_grant"
APP = {"name": b"app", "client_id": b"cid", "client_secret": b"csec"}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, f"schema violation (config: at least one of these fields must be true: {FLOWS})"),
        (
            {"enable_client_credentials": True, "mandatory_scope": True},
            (
                "2 schema violations (failed conditional validation given value of field 'mandatory_scope'; "
                "config.scopes: required field missing)"
            ),
        ),
        (
            {"enable_client_credentials": True, "token_expiration": 1.5},
            "schema violation (config.token_expiration: expected an integer)",
        ),
        (
            {"enable_client_credentials": True, "pkce": "plain"},
            "schema violation (config.pkce: expected one of: none, lax, strict)",
        ),
        (
            {"enable_authorization_code": True},
            (
                "schema violation (config.enable_authorization_code: codes work once only, which no gateway can know "
                "without a database: use another flow)"
            ),
        ),
    ],
)
def test_wrong_configurations_are_refused(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("oauth2", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


def test_defaults_are_filled_in() -> None:
    verdict = judge_plugin("oauth2", {"enable_password_grant": True, "provision_key": "pk"})
    assert isinstance(verdict, Accepted)
    expected = {
        "scopes": None,
        "mandatory_scope": False,
        "provision_key": "pk",
        "token_expiration": 7200,
        "enable_implicit_grant": False,
        "enable_client_credentials": False,
        "enable_password_grant": True,
        "hide_credentials": False,
        "accept_http_if_already_terminated": False,
        "anonymous": None,
        "global_credentials": False,
        "auth_header_name": "authorization",
        "refresh_token_ttl": 1_209_600,
        "reuse_refresh_token": False,
        "pkce": "lax",
        "realm": None,
    }
    assert (verdict.steps, verdict.warnings) == ((ModuleStep(expected),), ())


def test_a_missing_provision_key_is_told() -> None:
    verdict = judge_plugin("oauth2", {"enable_client_credentials": True})
    assert isinstance(verdict, Accepted)
    assert len(verdict.warnings) == 1


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, None),
        ({"redirect_uris": b"http://a.test/,https://b.test/cb?x=1"}, None),
        ({"client_secret": b""}, "schema violation (client_secret: length must be at least 1)"),
        ({"client_id": b""}, "schema violation (client_id: length must be at least 1)"),
        ({"client_id": b"\xff"}, "its client_id is not UTF-8 text"),
        ({"client_type": b"public", "client_secret": b""}, None),
        ({"client_type": b"secret"}, "schema violation (client_type: expected one of: confidential, public)"),
        ({"redirect_uris": b"/cb"}, "schema violation (redirect_uris: cannot parse '/cb')"),
        ({"redirect_uris": b"http://[/"}, "schema violation (redirect_uris: cannot parse 'http://[/')"),
        ({"redirect_uris": b"http://a/,"}, "schema violation (redirect_uris: cannot parse '')"),
        ({"redirect_uris": b"http://a/#x"}, "schema violation (redirect_uris: fragment not allowed in 'http://a/#x')"),
    ],
)
def test_which_secrets_are_applications(data: dict[str, bytes], problem: str | None) -> None:
    assert OAUTH2.problem({**APP, **data}) == problem


def test_the_module_gets_a_digest_of_the_secret() -> None:
    made = OAUTH2.entry({**APP, "redirect_uris": b"http://a.test/,http://b.test/"}, b"\x5a")
    assert (made.index, made.client) == ("cid", OAuthClient(("http://a.test/", "http://b.test/"), is_public=False))
    # The policy module's tests expect the same value.
    assert made.secret == "1e19037f75c9c401b5e1587d1e4413630d965617f971fe105dcaaa9358fac1e0"
    assert OAUTH2.entry({**APP, "client_type": b"public"}, b"").client == OAuthClient(None, is_public=True)
