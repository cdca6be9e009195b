"""Configurations of plugins: what is accepted, with which defaults, and in which words the rest is refused."""

from typing import Any

import pytest

from crossfade.compile.policies import registry
from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import ORDER, PLUGINS, Accepted, Refused, judge_plugin
from crossfade.policy_module.library import plugin_names

LIMITS = ", ".join(f"'config.{period}'" for period in ("second", "minute", "hour", "day", "month", "year"))

CHARACTERS = "allowed characters are A-Z, a-z, 0-9, '_', and '-'"
CONDITION = "failed conditional validation given value of field 'config.limit_by'"

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("rate-limiting", {}, f"schema violation (at least one of these fields must be non-empty: {LIMITS})"),
    ("rate-limiting", {"minute": "3"}, "schema violation (config.minute: expected a number)"),
    ("rate-limiting", {"minute": True}, "schema violation (config.minute: expected a number)"),
    ("rate-limiting", {"minute": 0}, "schema violation (config.minute: value must be greater than 0)"),
    ("rate-limiting", {"minute": 3, "colour": 1}, "schema violation (config.colour: unknown field)"),
    (
        "rate-limiting",
        {"minute": 3, "limit_by": "moon", "policy": "local"},
        "schema violation (config.limit_by: expected one of: consumer, credential, ip, service, header, path)",
    ),
    (
        "rate-limiting",
        {"second": 20, "hour": 10},
        "schema violation (The limit for hour(10.0) cannot be lower than the limit for second(20.0))",
    ),
    (
        "rate-limiting",
        {"minute": 3, "limit_by": "header"},
        f"2 schema violations ({CONDITION}; config.header_name: required field missing)",
    ),
    ("rate-limiting", {"minute": 3, "path": "x"}, "schema violation (config.path: should start with: /)"),
    (
        "rate-limiting",
        {"minute": 3, "sync_rate": 1},
        "schema violation (sync_rate can only be used with the redis policy)",
    ),
    (
        "rate-limiting",
        {"minute": 3, "policy": "memory"},
        "schema violation (config.policy: expected one of: local, cluster, redis)",
    ),
    (
        "rate-limiting",
        {"minute": 3, "redis": {"port": 70000}},
        "schema violation (config.redis.port: value should be between 0 and 65535)",
    ),
    ("key-auth", {"key_names": "apikey"}, "schema violation (config.key_names: expected an array)"),
    (
        "key-auth",
        {"key_names": ["good", "not good"]},
        f"schema violation (config.key_names.2: bad header name 'not good', {CHARACTERS})",
    ),
    ("key-auth", {"hide_credentials": "yes"}, "schema violation (config.hide_credentials: expected a boolean)"),
    (
        "key-auth",
        {"realm": "cats\r\nx-evil: 1"},
        "schema violation (config.realm: control characters are not allowed in header values)",
    ),
    ("moon", {}, "plugin 'moon' not enabled; add it to the 'plugins' configuration property"),
]


def module_config(verdict: Accepted) -> dict[str, Any]:
    (step,) = verdict.steps
    assert isinstance(step, ModuleStep)
    return step.config


@pytest.mark.parametrize(("plugin", "config", "reason"), REFUSED)
def test_wrong_configurations_are_refused_in_kongs_words(plugin: str, config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin(plugin, config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


def test_an_unknown_plugin_is_told_what_there_is() -> None:
    verdict = judge_plugin("full-moon", {})
    assert isinstance(verdict, Refused)
    assert all(name in verdict.hint for name in PLUGINS)


def test_defaults_are_filled_in() -> None:
    verdict = judge_plugin("key-auth", {"realm": "shop"})
    assert isinstance(verdict, Accepted)
    assert module_config(verdict) == {
        "key_names": ["apikey"],
        "key_in_header": True,
        "key_in_query": True,
        "key_in_body": False,
        "hide_credentials": False,
        "anonymous": None,
        "run_on_preflight": True,
        "realm": "shop",
    }


def test_the_cluster_policy_counts_locally_and_says_so() -> None:
    verdict = judge_plugin("rate-limiting", {"minute": 3.0, "policy": "cluster"})
    assert isinstance(verdict, Accepted)
    assert (module_config(verdict)["policy"], module_config(verdict)["minute"]) == ("local", 3)
    assert "cluster" in verdict.warnings[0]


def test_null_means_the_default() -> None:
    verdict = judge_plugin("rate-limiting", {"minute": 3, "error_code": None})
    assert isinstance(verdict, Accepted)
    assert module_config(verdict)["error_code"] == 429


def test_protocols_must_be_those_of_http() -> None:
    verdict = judge_plugin("key-auth", {}, ("http", "tcp"))
    assert isinstance(verdict, Refused)
    assert verdict.field == "protocols.2"


@pytest.mark.parametrize("ordering", [{}, {"before": {"access": ["acl"]}}])
def test_an_order_of_its_own_is_refused(ordering: dict[str, Any]) -> None:
    verdict = judge_plugin("key-auth", {}, ordering=ordering)
    assert isinstance(verdict, Refused)
    assert (verdict.reason, verdict.field) == ("schema violation (ordering: unknown field)", "ordering")
    assert "remove ordering" in verdict.hint


def test_an_unknown_field_is_told_what_there_is() -> None:
    verdict = judge_plugin("key-auth", {"key_namez": ["a"]})
    assert isinstance(verdict, Refused)
    assert verdict.hint.startswith("the fields of key-auth are anonymous, hide_credentials, ")


def test_the_policy_module_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(judge_plugin("rate-limiting", {"minute": 3}), Accepted)
    monkeypatch.setattr(registry.library, "problem", lambda *asked: f"{asked[0]}: not with me")
    verdict = judge_plugin("rate-limiting", {"minute": 7.03125})
    assert isinstance(verdict, Refused)
    assert verdict.reason == "instance: not with me"


@pytest.mark.parametrize("minute", [float("nan"), float("inf"), 1e308, 10**400])
def test_no_number_is_too_strange(minute: float) -> None:
    assert isinstance(judge_plugin("rate-limiting", {"minute": minute}), Accepted | Refused)


def test_every_plugin_of_the_module_is_known_here() -> None:
    assert plugin_names() <= PLUGINS.keys()


def test_no_two_plugins_share_a_place_in_the_order() -> None:
    assert len(set(ORDER.values())) == len(PLUGINS)
    assert min(ORDER.values()) >= 0
    assert ORDER["cors"] < ORDER["key-auth"] < ORDER["acl"] < ORDER["rate-limiting"] < ORDER["response-transformer"]
