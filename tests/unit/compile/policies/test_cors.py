"""cors: which configurations are right, in which words the rest is refused, and what the module is told."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import PLUGINS, Accepted, Refused, judge_plugin
from crossfade.compile.policies.schema import apply_schema

METHODS = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
NO_REGEX = "repetition operator missing expression at byte 0"
CONTROL = "control characters are not allowed in header values"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            {"origins": [".*.a.test", "*.a.test"]},
            f"schema violation (config.origins.2: '*.a.test' is not a valid regex: {NO_REGEX})",
        ),
        ({"origins": ["https://a.test", ""]}, "schema violation (config.origins.2: length must be at least 1)"),
        ({"origins": ["https://a.test\r\nx: y"]}, f"schema violation (config.origins.1: {CONTROL})"),
        ({"origins": ["*", None]}, "schema violation (config.origins.2: required field missing)"),
        ({"origins": "*"}, "schema violation (config.origins: expected an array)"),
        ({"methods": ["FAKE"]}, f"schema violation (config.methods.1: expected one of: {', '.join(METHODS)})"),
        ({"headers": ["X-A", "X-B\n"]}, f"schema violation (config.headers.2: {CONTROL})"),
        ({"exposed_headers": ["\x00"]}, f"schema violation (config.exposed_headers.1: {CONTROL})"),
        ({"max_age": "600"}, "schema violation (config.max_age: expected a number)"),
        ({"max_age": float("inf")}, "schema violation (config.max_age: expected a number)"),
        ({"max_age": 10**400}, "schema violation (config.max_age: expected a number)"),
        ({"credentials": "true"}, "schema violation (config.credentials: expected a boolean)"),
    ],
)
def test_wrong_configurations_are_refused_in_kongs_words(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("cors", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


def test_a_regex_of_another_kind_is_refused_with_its_reason() -> None:
    verdict = judge_plugin("cors", {"origins": [r"https://(?!evil).*\.test"]})
    assert isinstance(verdict, Refused)
    assert "look-around, including look-ahead and look-behind, is not supported" in verdict.reason


def test_regexes_must_fit_together() -> None:
    verdict = judge_plugin("cors", {"origins": [rf"https://\w{{60}}{number}" for number in range(1000)]})
    assert isinstance(verdict, Refused)
    assert re.fullmatch(
        r"schema violation \(config\.origins\.\d+: the regexes up to here take more than \d+ bytes of memory\)",
        verdict.reason,
    )


def test_the_module_gets_the_defaults_too() -> None:
    verdict = judge_plugin("cors", {"origins": ["*"], "max_age": 600.0, "methods": None})
    assert isinstance(verdict, Accepted)
    told = {
        "origins": ["*"],
        "headers": None,
        "exposed_headers": None,
        "methods": METHODS,
        "max_age": 600,
        "credentials": False,
        "private_network": False,
        "preflight_continue": False,
    }
    assert verdict.steps == (ModuleStep(told),)


def test_no_consumer_carries_it() -> None:
    assert not PLUGINS["cors"].takes_consumer


REGEXES = st.text(r"ab.*+?()[]{}|^$\-:/19 ", max_size=12) | st.from_regex(r"https?://[a-z.*\\]{1,12}", fullmatch=True)


@given(origins=st.lists(REGEXES, min_size=1, max_size=3))
def test_a_regex_that_the_schema_accepts_the_module_can_use(origins: list[str]) -> None:
    verdict = judge_plugin("cors", {"origins": origins})
    is_right = not apply_schema(PLUGINS["cors"].schema, {"origins": origins}).problems
    assert isinstance(verdict, Accepted) == is_right
