"""Configurations of bot-detection, redirect, request-size-limiting and standard-webhooks."""

from typing import Any

import pytest

from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

Config = dict[str, Any]

REFUSED: list[tuple[str, Config, str]] = [
    ("bot-detection", {"deny": ["a", "b("]}, "config.deny.2: 'b(' is not a valid regex: unclosed group at byte 1"),
    ("bot-detection", {"allow": [1]}, "config.allow.1: expected a string"),
    ("bot-detection", {"whitelist": []}, "config.whitelist: unknown field"),
    ("redirect", {}, "config.location: required field missing"),
    ("redirect", {"location": "/x"}, "config.location: missing scheme in url"),
    ("redirect", {"location": "://x"}, "config.location: missing scheme in url"),
    ("redirect", {"location": "https:///x"}, "config.location: missing host in url"),
    ("redirect", {"location": "https://a b/"}, "config.location: missing host in url"),
    (
        "redirect",
        {"location": "https://a.test/\r\n"},
        "config.location: control characters are not allowed in header values",
    ),
    (
        "redirect",
        {"location": "https://a.test", "status_code": 101},
        "config.status_code: a status of 1xx cannot end a request, use one from 200 to 599",
    ),
    (
        "redirect",
        {"location": "https://a.test", "status_code": 600},
        "config.status_code: value should be between 100 and 599",
    ),
    ("request-size-limiting", {"allowed_payload_size": 0.5}, "config.allowed_payload_size: expected an integer"),
    (
        "request-size-limiting",
        {"size_unit": "gigabytes"},
        "config.size_unit: expected one of: megabytes, kilobytes, bytes",
    ),
    ("standard-webhooks", {}, "config.secret_v1: required field missing"),
    ("standard-webhooks", {"secret_v1": ""}, "config.secret_v1: length must be at least 1"),
    (
        "standard-webhooks",
        {"secret_v1": "x", "tolerance_second": -1},
        "config.tolerance_second: value must be greater than -1",
    ),
]


@pytest.mark.parametrize(("plugin", "config", "problem"), REFUSED)
def test_wrong_configurations(plugin: str, config: Config, problem: str) -> None:
    verdict = judge_plugin(plugin, config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({problem})"


@pytest.mark.parametrize(
    ("plugin", "config"),
    [
        ("bot-detection", {}),
        ("bot-detection", {"allow": ["(?i)google"], "deny": ["^curl/"]}),
        ("redirect", {"location": "https://a.test:8443/x?y#z", "status_code": 308}),
        ("request-size-limiting", {"allowed_payload_size": -1}),
        ("request-size-limiting", {"allowed_payload_size": 1 << 70}),
        ("standard-webhooks", {"secret_v1": "x", "tolerance_second": 0}),
    ],
)
def test_right_configurations(plugin: str, config: Config) -> None:
    assert isinstance(judge_plugin(plugin, config), Accepted)
