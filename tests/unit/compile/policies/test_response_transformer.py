"""Configurations of response-transformer."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

CONTROL = "control characters are not allowed in header values"

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"add": {"headers": ["X-A"]}}, "config.add.headers.1: invalid value: X-A"),
    ({"add": {"headers": ["X-A:1", ":1"]}}, "config.add.headers.2: invalid value: :1"),
    ({"add": {"headers": [""]}}, "config.add.headers.1: length must be at least 1"),
    ({"append": {"headers": ["X A:1"]}}, "config.append.headers.1: 'X A' is not a valid header"),
    ({"replace": {"headers": ["X-A:1\r\nX-B: 2"]}}, f"config.replace.headers.1: {CONTROL}"),
    (
        {"replace": {"headers": ["Content-Length:1"]}},
        "config.replace.headers.1: the gateway itself sets the header Content-Length",
    ),
    ({"rename": {"headers": ["X-A:"]}}, "config.rename.headers.1: '' is not a valid header"),
    ({"rename": {"headers": ["X.A:X-B"]}}, "config.rename.headers.1: 'X.A' is not a valid header"),
    ({"rename": {"json_types": []}}, "config.rename.json_types: unknown field"),
    ({"remove": {"headers": [":status"]}}, "config.remove.headers.1: '' is not a valid header"),
    ({"remove": {"json": [":x"]}}, "config.remove.json.1: invalid value: :x"),
    ({"add": {"json": ["a"]}}, "config.add.json.1: invalid value: a"),
    (
        {"add": {"json": ["a:1"], "json_types": ["moon"]}},
        "config.add.json_types.1: expected one of: boolean, number, string",
    ),
    ({"remove": ["X-A"]}, "config.remove: expected a record"),
]


@pytest.mark.parametrize(("config", "problem"), REFUSED)
def test_wrong_configurations(config: dict[str, Any], problem: str) -> None:
    verdict = judge_plugin("response-transformer", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({problem})"


def test_what_is_right_goes_to_the_module_as_it_is() -> None:
    verdict = judge_plugin("response-transformer", {"remove": {"headers": ["X-A:1"]}, "add": {"json": ["a:b:c"]}})
    assert isinstance(verdict, Accepted)
    config = {
        "remove": {"json": [], "headers": ["X-A:1"]},
        "rename": None,
        "replace": None,
        "add": {"json": ["a:b:c"], "json_types": [], "headers": []},
        "append": None,
    }
    assert verdict.steps == (ModuleStep(config),)
