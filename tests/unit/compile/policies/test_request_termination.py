"""Configurations of request-termination."""

from typing import Any

import pytest

from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"message": "a", "body": "b"}, "config: message cannot be used with content_type or body"),
    ({"message": "a", "content_type": "text/html"}, "config: message cannot be used with content_type or body"),
    ({"content_type": "text/html"}, "config: content_type requires a body"),
    ({"body": "b", "echo": True}, "config: echo cannot be used with content_type and body"),
    ({"status_code": 99}, "config.status_code: value should be between 100 and 599"),
    ({"status_code": 101}, "config.status_code: a status of 1xx cannot end a request, use one from 200 to 599"),
    ({"status_code": 404.5}, "config.status_code: expected an integer"),
    (
        {"body": "b", "content_type": "a\r\nb"},
        "config.content_type: control characters are not allowed in header values",
    ),
    (
        {"trigger": "a.b"},
        "config.trigger: bad header name 'a.b', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
    ),
]


@pytest.mark.parametrize(("config", "problem"), REFUSED)
def test_wrong_configurations(config: dict[str, Any], problem: str) -> None:
    verdict = judge_plugin("request-termination", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({problem})"


@pytest.mark.parametrize(
    "config",
    [{}, {"status_code": 418.0}, {"message": "a", "echo": True}, {"body": "a\0", "content_type": "a; b"}],
)
def test_right_configurations(config: dict[str, Any]) -> None:
    assert isinstance(judge_plugin("request-termination", config), Accepted)
