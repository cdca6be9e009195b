"""ip-restriction: which configurations are right, in which words the rest is refused, and what the module is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.compile.policies.checks import ip_or_cidr
from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import PLUGINS, Accepted, Refused, judge_plugin
from crossfade.policy_module import library
from tests.unit.compile.policies.test_configurations import as_instance

SOME = "at least one of these fields must be non-empty: 'config.allow', 'config.deny'"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, f"schema violation ({SOME})"),
        ({"allow": [], "deny": []}, f"schema violation ({SOME})"),
        ({"allow": 12}, "schema violation (config.allow: expected an array)"),
        (
            {"allow": ["127.0.0.1/32", "hello"]},
            "schema violation (config.allow.2: invalid ip or cidr range: 'hello')",
        ),
        ({"deny": ["::/129"]}, "schema violation (config.deny.1: invalid ip or cidr range: '::/129')"),
        ({"deny": ["::1"], "status": 99}, "schema violation (config.status: value should be between 200 and 599)"),
        ({"deny": ["::1"], "status": 403.5}, "schema violation (config.status: expected an integer)"),
        ({"deny": ["::1"], "status": "403"}, "schema violation (config.status: expected a number)"),
        ({"deny": ["::1"], "message": ""}, "schema violation (config.message: length must be at least 1)"),
        ({"deny": ["::1"], "blacklist": ["::2"]}, "schema violation (config.blacklist: unknown field)"),
    ],
)
def test_wrong_configurations_are_refused_in_kongs_words(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("ip-restriction", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {"allow": ["10.0.0.0/8"], "status": 418.0, "message": "go\naway"},
            {"allow": ["10.0.0.0/8"], "deny": None, "status": 418, "message": "go\naway"},
        ),
        ({"whitelist": ["[::1]"]}, {"allow": ["[::1]"], "deny": None, "status": None, "message": None}),
        ({"blacklist": ["::/0"]}, {"allow": None, "deny": ["::/0"], "status": None, "message": None}),
    ],
)
def test_the_module_gets_the_lists(config: dict[str, Any], told: dict[str, Any]) -> None:
    verdict = judge_plugin("ip-restriction", config)
    assert isinstance(verdict, Accepted)
    assert verdict.steps == (ModuleStep(told),)


def test_a_consumer_carries_it() -> None:
    assert PLUGINS["ip-restriction"].takes_consumer


def test_protocols_of_streams_are_accepted() -> None:
    config = {"deny": ["::1"]}
    assert isinstance(judge_plugin("ip-restriction", config, ("http", "tcp", "tls")), Accepted)
    verdict = judge_plugin("ip-restriction", config, ("http", "udp"))
    assert isinstance(verdict, Refused)
    assert verdict.field == "protocols.2"


ADDRESSES = st.ip_addresses().map(str)
NETWORKS = st.builds(
    lambda address, slash, prefix: f"{address}{slash}{prefix}", ADDRESSES, st.just("/"), st.integers(-1, 130)
)
ODD = st.text("0123456789abcdefF.:/[]% +٣", max_size=20)
BRACKETED = st.builds("[{}]".format, ADDRESSES | NETWORKS)


@given(entry=ADDRESSES | NETWORKS | ODD | BRACKETED)
def test_both_sides_read_the_same_addresses(entry: str) -> None:
    instance = as_instance("ip-restriction", {"allow": [entry]})
    assert (library.problem("instance", instance) is None) == (ip_or_cidr(entry) is None)
