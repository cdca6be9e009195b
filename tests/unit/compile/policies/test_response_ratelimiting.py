"""Configurations of response-ratelimiting."""

from typing import Any

import pytest

from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

SMS = {"limits": {"sms": {"hour": 3}}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "config.limits: required field missing"),
    ({"limits": {}}, "config.limits: length must be at least 1"),
    ({"limits": []}, "config.limits: expected a map"),
    ({"limits": {"second": 10}}, "config.limits: expected a record"),
    ({"limits": {"sms": None}}, "config.limits: required field missing"),
    ({"limits": {"sms": {"seco": 1}}}, "config.limits.seco: unknown field"),
    ({"limits": {"sms": {"hour": 0}}}, "config.limits.hour: value must be greater than 0"),
    (
        {"limits": {"sms": {}}},
        "at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', 'year'",
    ),
    (
        {"limits": {"mail": {"day": 1}, "sms": {"second": 2, "minute": 1}}},
        "config.limits: the limit for minute(1.0) cannot be lower than the limit for second(2.0)",
    ),
    ({"limits": {"two words": {"day": 1}}}, "config.limits: 'two words' is not a valid header"),
    ({**SMS, "header_name": ":status"}, "config.header_name: ':status' is not a valid header"),
    ({**SMS, "limit_by": "service"}, "config.limit_by: expected one of: consumer, credential, ip"),
]


@pytest.mark.parametrize(("config", "problem"), REFUSED)
def test_wrong_configurations(config: dict[str, Any], problem: str) -> None:
    verdict = judge_plugin("response-ratelimiting", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({problem})"


@pytest.mark.parametrize(
    "config",
    [
        SMS,
        {"limits": {"video": {"second": None, "minute": 1}}},
        {"limits": {name: {"year": 1e300} for name in ("a", "B", "x-c_d")}},
        {**SMS, "policy": "redis", "redis_host": "r"},
        {**SMS, "policy": "cluster"},
    ],
)
def test_right_configurations(config: dict[str, Any]) -> None:
    assert isinstance(judge_plugin("response-ratelimiting", config), Accepted)


def test_flat_fields_and_kongs_database_warn() -> None:
    verdict = judge_plugin("response-ratelimiting", {**SMS, "policy": "cluster", "redis_host": "r"})
    assert isinstance(verdict, Accepted)
    assert [text.partition(":")[0] for text in verdict.warnings] == ["response-ratelimiting", "config.policy"]
