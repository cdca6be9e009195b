"""session: which configurations are right, and what becomes of Kong 2's spellings."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

DEFAULTS: dict[str, Any] = {
    "secret": None,
    "audience": "default",
    "idling_timeout": 900,
    "rolling_timeout": 3600,
    "absolute_timeout": 86_400,
    "cookie_name": "session",
    "cookie_path": "/",
    "cookie_domain": None,
    "cookie_same_site": "Strict",
    "cookie_http_only": True,
    "cookie_secure": True,
    "remember": False,
    "remember_cookie_name": "remember",
    "remember_rolling_timeout": 604_800,
    "remember_absolute_timeout": 2_592_000,
    "response_headers": None,
    "request_headers": None,
    "read_body_for_logout": False,
    "logout_methods": ["POST", "DELETE"],
    "logout_query_arg": "session_logout",
    "logout_post_arg": "session_logout",
}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"storage": "kong"}, "config.storage: sessions are stored in the cookie only: there is no database"),
        ({"storage": "redis"}, "config.storage: expected one of: cookie, kong"),
        ({"cookie_name": "a;b"}, "config.cookie_name: is not the name of a cookie"),
        ({"cookie_name": "a" * 2000}, "config.cookie_name: is not the name of a cookie"),
        ({"cookie_path": "/;x"}, "config.cookie_path: cannot stand in a cookie: no semicolons, ASCII only"),
        ({"cookie_domain": "ä"}, "config.cookie_domain: cannot stand in a cookie: no semicolons, ASCII only"),
        ({"audience": "ä" * 600}, "config.audience: at most 1024 bytes have room in a cookie"),
        ({"idling_timeout": -1}, "config.idling_timeout: value should be between 0 and 100000000"),
        ({"cookie_same_site": "strict"}, "config.cookie_same_site: expected one of: Strict, Lax, None, Default"),
        ({"logout_methods": ["PUT"]}, "config.logout_methods.1: expected one of: GET, POST, DELETE"),
        ({"cookie_samesite": "Lax", "cookie_same_site": "Lax"}, "config.cookie_samesite: unknown field"),
    ],
)
def test_wrong_configurations_are_refused(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("session", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({reason})"


def test_two_cookies_of_one_name_are_refused_by_the_module() -> None:
    verdict = judge_plugin("session", {"remember": True, "cookie_name": "Remember"})
    assert isinstance(verdict, Refused)
    assert verdict.reason == "cookie_name and remember_cookie_name must differ"


@pytest.mark.parametrize(
    ("config", "filled"),
    [
        ({}, {}),
        ({"cookie_lifetime": 60}, {"rolling_timeout": 60}),
        ({"cookie_idletime": None, "cookie_renew": 600}, {"idling_timeout": 0}),
        ({"cookie_samesite": "off"}, {"cookie_same_site": "Lax"}),
        ({"cookie_samesite": "None", "cookie_discard": 5}, {"cookie_same_site": "None"}),
        ({"cookie_httponly": False, "cookie_persistent": True}, {"cookie_http_only": False, "remember": True}),
    ],
)
def test_kong_2s_spellings(config: dict[str, Any], filled: dict[str, Any]) -> None:
    verdict = judge_plugin("session", {"secret": "s", **config})
    assert isinstance(verdict, Accepted)
    assert verdict.steps == (ModuleStep({**DEFAULTS, "secret": "s", **filled}),)
    assert verdict.warnings == ()


def test_a_missing_secret_is_told() -> None:
    verdict = judge_plugin("session", {})
    assert isinstance(verdict, Accepted)
    assert len(verdict.warnings) == 1
