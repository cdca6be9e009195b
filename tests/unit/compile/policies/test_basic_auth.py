"""basic-auth: which configurations are right, and what the module learns of a login."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import CREDENTIAL_TYPES, Accepted, Refused, judge_plugin

SALT = b"\x5a"
LOGINS = st.tuples(st.binary(min_size=1), st.binary())


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"realm": ""}, "schema violation (config.realm: length must be at least 1)"),
        ({"realm": "a\nb"}, "schema violation (config.realm: control characters are not allowed in header values)"),
        ({"anonymous": ""}, "schema violation (config.anonymous: length must be at least 1)"),
        ({"anonymous": 7}, "schema violation (config.anonymous: expected a string)"),
        ({"hide_credentials": "yes"}, "schema violation (config.hide_credentials: expected a boolean)"),
        ({"key_names": ["a"]}, "schema violation (config.key_names: unknown field)"),
    ],
)
def test_wrong_configurations_are_refused_in_kongs_words(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("basic-auth", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


def test_defaults_are_filled_in() -> None:
    verdict = judge_plugin("basic-auth", {"anonymous": "guest"})
    assert isinstance(verdict, Accepted)
    assert verdict.steps == (ModuleStep({"anonymous": "guest", "hide_credentials": False, "realm": "service"}),)
    assert not verdict.plugin.takes_consumer


def entry(username: bytes, password: bytes, salt: bytes = SALT) -> tuple[str, str | None]:
    made = CREDENTIAL_TYPES["basic-auth"].entry({"username": username, "password": password}, salt)
    return made.index, made.secret


def test_a_login_is_known_by_its_name_and_a_digest() -> None:
    # The policy module's tests expect the same value.
    secret = "d544fa69a5fede274083664ec06aed9dedae51b789826fc5aa84c69acc95f3fc"
    assert entry(b"Aladdin", b"open:sesame") == ("Aladdin", secret)


@given(LOGINS, LOGINS)
def test_no_two_logins_have_the_same_digest(first: tuple[bytes, bytes], second: tuple[bytes, bytes]) -> None:
    assert (entry(*first)[1] == entry(*second)[1]) == (first == second)


@given(LOGINS)
def test_another_gateway_has_other_digests(login: tuple[bytes, bytes]) -> None:
    assert entry(*login) != entry(*login, salt=b"\xa5")
