"""Configurations of correlation-id."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"generator": "moon"}, "config.generator: expected one of: uuid, uuid#counter, tracker"),
    ({"header_name": ""}, "config.header_name: length must be at least 1"),
    ({"header_name": "two words"}, "config.header_name: 'two words' is not a valid header"),
    ({"header_name": "Content_Length"}, "config.header_name: the gateway itself sets the header Content_Length"),
    ({"echo_downstream": 1}, "config.echo_downstream: expected a boolean"),
]


@pytest.mark.parametrize(("config", "problem"), REFUSED)
def test_wrong_configurations(config: dict[str, Any], problem: str) -> None:
    verdict = judge_plugin("correlation-id", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({problem})"


def test_defaults() -> None:
    verdict = judge_plugin("correlation-id", {"header_name": None})
    assert isinstance(verdict, Accepted)
    defaults = {"header_name": "Kong-Request-ID", "generator": "uuid#counter", "echo_downstream": False}
    assert verdict.steps == (ModuleStep(defaults),)
