"""Configurations of request-transformer."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin
from crossfade.compile.policies.request_transformer.schema import METHODS

OWN = "the gateway itself sets the header"

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"http_method": "get"}, "config.http_method: invalid value: get"),
    ({"http_method": "BREW"}, f"config.http_method: invalid method: BREW, use one of {', '.join(METHODS)}"),
    ({"replace": {"uri": "x"}}, "config.replace.uri: should start with: /"),
    ({"add": {"uri": "/x"}}, "config.add.uri: unknown field"),
    ({"add": {"headers": ["X-A"]}}, "config.add.headers.1: invalid value: X-A"),
    ({"add": {"headers": ["X A:1"]}}, "config.add.headers.1: 'X A' is not a valid header"),
    ({"add": {"headers": ["Host:a.test"]}}, f"config.add.headers.1: {OWN} Host"),
    ({"remove": {"headers": ["Host"]}}, f"config.remove.headers.1: {OWN} Host"),
    ({"rename": {"headers": ["X-A:Content-Length"]}}, f"config.rename.headers.1: {OWN} Content-Length"),
    (
        {"add": {"headers": ["X-Envoy-Max-Retries:9"]}},
        "config.add.headers.1: the gateway keeps headers like X-Envoy-Max-Retries to itself",
    ),
    (
        {"append": {"headers": ["X-A:\r\n"]}},
        "config.append.headers.1: control characters are not allowed in header values",
    ),
    ({"add": {"querystring": ["a"]}}, "config.add.querystring.1: key 'a' has no value"),
    ({"rename": {"body": ["a:"]}}, "config.rename.body.1: key 'a' has no value"),
    ({"remove": {"body": [":a"]}}, "config.remove.body.1: invalid value: :a"),
]


@pytest.mark.parametrize(("config", "problem"), REFUSED)
def test_wrong_configurations(config: dict[str, Any], problem: str) -> None:
    verdict = judge_plugin("request-transformer", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({problem})"


def test_what_the_sandbox_does_not_have_is_refused_with_the_reason() -> None:
    verdict = judge_plugin("request-transformer", {"add": {"headers": ["X-A:$(os.getenv('A'))"]}})
    assert isinstance(verdict, Refused)
    assert verdict.reason == (
        "add.headers: value '$(os.getenv('A'))' is not in supported format, error:the name 'os' is not available"
        " here, use headers, query_params, shared, type, uri_captures"
    )


def test_what_is_right_goes_to_the_module_as_it_is() -> None:
    verdict = judge_plugin("request-transformer", {"replace": {"headers": ["Host:$(headers.x_host)"], "uri": "/x"}})
    assert isinstance(verdict, Accepted)
    config = {
        "http_method": None,
        "remove": None,
        "rename": None,
        "replace": {"body": [], "headers": ["Host:$(headers.x_host)"], "querystring": [], "uri": "/x"},
        "add": None,
        "append": None,
    }
    assert verdict.steps == (ModuleStep(config),)
    assert verdict.warnings == ()


def test_edits_that_the_gateway_undoes_are_told() -> None:
    verdict = judge_plugin("request-transformer", {"remove": {"headers": ["X-A", "X-Real-IP", "via"]}})
    assert isinstance(verdict, Accepted)
    (warning,) = verdict.warnings
    assert warning == (
        "config.remove.headers has no effect on X-Real-IP, via: as on Kong, the gateway itself writes these headers"
        " when all plugins have run"
    )
