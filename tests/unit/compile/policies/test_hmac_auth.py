"""hmac-auth: which configurations are right, and which Secrets are credentials."""

from base64 import b64decode
from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import CREDENTIAL_TYPES, Accepted, Refused, judge_plugin

HMAC = CREDENTIAL_TYPES["hmac-auth"]
ALGORITHMS = ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"clock_skew": 0}, "schema violation (config.clock_skew: value must be greater than 0)"),
        ({"clock_skew": "300"}, "schema violation (config.clock_skew: expected a number)"),
        (
            {"algorithms": ["hmac-sha1", "hmac-md5"]},
            f"schema violation (config.algorithms.2: expected one of: {', '.join(ALGORITHMS)})",
        ),
        ({"enforce_headers": "date"}, "schema violation (config.enforce_headers: expected an array)"),
        ({"enforce_headers": [""]}, "schema violation (config.enforce_headers.1: length must be at least 1)"),
        ({"realm": "a\nb"}, "schema violation (config.realm: control characters are not allowed in header values)"),
        ({"anonymous": ""}, "schema violation (config.anonymous: length must be at least 1)"),
    ],
)
def test_wrong_configurations_are_refused_in_kongs_words(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("hmac-auth", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


def test_defaults_are_filled_in() -> None:
    verdict = judge_plugin("hmac-auth", {"clock_skew": 1e10})
    assert isinstance(verdict, Accepted)
    expected = {
        "hide_credentials": False,
        "clock_skew": 10**10,
        "anonymous": None,
        "validate_request_body": False,
        "enforce_headers": [],
        "algorithms": ALGORITHMS,
        "realm": None,
    }
    assert verdict.steps == (ModuleStep(expected),)
    assert not verdict.plugin.takes_consumer


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"username": b"bob", "secret": b"\xff\n"}, None),
        ({"username": b"", "secret": b"s"}, "schema violation (username: length must be at least 1)"),
        ({"username": b"bob", "secret": b""}, "schema violation (secret: length must be at least 1)"),
        ({"username": b"\xff", "secret": b"s"}, "its username is not UTF-8 text"),
    ],
)
def test_which_secrets_are_credentials(data: dict[str, bytes], problem: str | None) -> None:
    assert HMAC.problem(data) == problem


def test_the_module_gets_the_secret_as_it_is() -> None:
    made = HMAC.entry({"username": b"bob", "secret": b"\xff\n"}, b"salt")
    assert made.key is not None
    assert (made.index, made.key.algorithm, b64decode(made.key.secret or "")) == ("bob", "HMAC", b"\xff\n")
    assert made.secret is None
    assert "/wo=" not in repr(made)
