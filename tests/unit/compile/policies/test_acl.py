"""acl: which configurations are right, in which words the rest is refused, and what the module is told."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

LISTS = "'config.allow', 'config.deny'"
ONE = f"exactly one of these fields must be non-empty: {LISTS}"
SOME = f"at least one of these fields must be non-empty: {LISTS}"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, f"2 schema violations ({ONE}; {SOME})"),
        ({"allow": [], "deny": []}, f"2 schema violations ({ONE}; {SOME})"),
        ({"allow": ["a"], "deny": ["b"]}, f"schema violation ({ONE})"),
        ({"allow": "a"}, "schema violation (config.allow: expected an array)"),
        ({"allow": "a", "deny": ["b"]}, f"2 schema violations ({ONE}; config.allow: expected an array)"),
        ({"deny": ["a", 1]}, "schema violation (config.deny.2: expected a string)"),
        ({"deny": [None]}, "schema violation (config.deny.1: required field missing)"),
        ({"deny": [""]}, "schema violation (config.deny.1: length must be at least 1)"),
        ({"allow": ["a"], "hide_groups_header": 1}, "schema violation (config.hide_groups_header: expected a boolean)"),
        ({"allow": ["a"], "whitelist": ["b"]}, "schema violation (config.whitelist: unknown field)"),
    ],
)
def test_wrong_configurations_are_refused_in_kongs_words(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("acl", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"allow": ["a", "b"]}, {"allow": ["a", "b"]}),
        (
            {"deny": ["a"], "allow": [], "include_consumer_groups": True},
            {"allow": [], "deny": ["a"], "include_consumer_groups": True},
        ),
        ({"whitelist": ["a"], "hide_groups_header": True}, {"allow": ["a"], "hide_groups_header": True}),
        (
            {"blacklist": ["a"], "always_use_authenticated_groups": True},
            {"deny": ["a"], "always_use_authenticated_groups": True},
        ),
    ],
)
def test_the_module_gets_lists_and_switches(config: dict[str, Any], told: dict[str, Any]) -> None:
    verdict = judge_plugin("acl", config)
    assert isinstance(verdict, Accepted)
    switches = dict.fromkeys(
        ("hide_groups_header", "always_use_authenticated_groups", "include_consumer_groups"), False
    )
    assert verdict.steps == (ModuleStep({"allow": None, "deny": None, **switches, **told}),)


def test_no_consumer_carries_it() -> None:
    verdict = judge_plugin("acl", {"allow": ["a"]})
    assert isinstance(verdict, Accepted)
    assert not verdict.plugin.takes_consumer
