"""Configurations of proxy-cache."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

MEMORY: dict[str, Any] = {"strategy": "memory"}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "config.strategy: required field missing"),
    ({"strategy": "redis"}, "config.strategy: expected one of: memory"),
    ({**MEMORY, "memory": {"dictionary_name": "mine"}}, "missing shared dict 'mine'"),
    ({**MEMORY, "memory": {"dictionary_name": ""}}, "config.memory.dictionary_name: length must be at least 1"),
    ({**MEMORY, "response_code": []}, "config.response_code: length must be at least 1"),
    ({**MEMORY, "response_code": [99]}, "config.response_code.1: value should be between 100 and 900"),
    (
        {**MEMORY, "request_method": ["GET", "get"]},
        "config.request_method.2: expected one of: HEAD, GET, POST, PATCH, PUT",
    ),
    ({**MEMORY, "content_type": "text/plain"}, "config.content_type: expected an array"),
    ({**MEMORY, "cache_ttl": 0}, "config.cache_ttl: value must be greater than 0"),
    ({**MEMORY, "cache_ttl": 1.5}, "config.cache_ttl: expected an integer"),
    ({**MEMORY, "storage_ttl": -1}, "config.storage_ttl: value must not be negative"),
    ({**MEMORY, "vary_headers": [""]}, "config.vary_headers.1: length must be at least 1"),
    ({**MEMORY, "response_headers": {"Age": True}}, "config.response_headers.Age: unknown field"),
]


@pytest.mark.parametrize(("config", "problem"), REFUSED)
def test_wrong_configurations(config: dict[str, Any], problem: str) -> None:
    verdict = judge_plugin("proxy-cache", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({problem})"


@pytest.mark.parametrize(
    "config",
    [
        MEMORY,
        {**MEMORY, "memory": None, "response_headers": None, "vary_headers": None, "storage_ttl": None},
        {**MEMORY, "request_method": [], "content_type": [], "vary_query_params": []},
        {**MEMORY, "content_type": ["no type;", "*"], "vary_headers": ["X Y", "ü"], "vary_query_params": ["\n"]},
        {**MEMORY, "cache_ttl": 10**300, "storage_ttl": 10**300, "response_code": [100, 900]},
        {**MEMORY, "storage_ttl": 0},
    ],
)
def test_right_configurations(config: dict[str, Any]) -> None:
    assert isinstance(judge_plugin("proxy-cache", config), Accepted)


def test_the_module_gets_what_it_has_a_use_for() -> None:
    verdict = judge_plugin("proxy-cache", {**MEMORY, "vary_query_params": ["a"]})
    assert isinstance(verdict, Accepted)
    (step,) = verdict.steps
    assert isinstance(step, ModuleStep)
    assert "strategy" not in step.config
    assert "storage_ttl" not in step.config
    assert step.config["response_headers"] == {"age": True, "X-Cache-Status": True, "X-Cache-Key": True}
