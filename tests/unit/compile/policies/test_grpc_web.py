"""grpc-web: which configurations are right, and which steps carry them out."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import EnvoyFilter, ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin
from crossfade.envoy.filters.order import FILTERS, route_config
from crossfade.envoy.proto import route_v3


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"proto": 1}, "schema violation (config.proto: expected a string)"),
        ({"pass_stripped_path": "yes"}, "schema violation (config.pass_stripped_path: expected a boolean)"),
        (
            {"allow_origin_header": "a\nb"},
            "schema violation (config.allow_origin_header: control characters are not allowed in header values)",
        ),
        ({"allow_origin": "*"}, "schema violation (config.allow_origin: unknown field)"),
    ],
)
def test_wrong_configurations_are_refused_in_kongs_words(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("grpc-web", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


@pytest.mark.parametrize(
    ("config", "origin", "wants_transcoding", "warnings"),
    [
        ({}, "*", False, 0),
        ({"allow_origin_header": "https://a.test", "pass_stripped_path": True}, "https://a.test", False, 0),
        ({"proto": "hello.proto"}, "*", True, 1),
    ],
)
def test_the_module_answers_and_envoy_translates(
    config: dict[str, Any], origin: str, wants_transcoding: bool, warnings: int
) -> None:
    verdict = judge_plugin("grpc-web", config)
    assert isinstance(verdict, Accepted)
    told = {"allow_origin_header": origin, "wants_transcoding": wants_transcoding}
    assert verdict.steps == (ModuleStep(told), EnvoyFilter("grpc_web"))
    assert len(verdict.warnings) == warnings


def test_a_route_enables_envoys_filter_with_nothing_to_configure() -> None:
    assert "grpc_web" in {one.name for one in FILTERS}
    config = route_v3.FilterConfig.FromString(route_config(EnvoyFilter("grpc_web")).value)
    assert config.HasField("config")
    assert not config.config.type_url
    assert not config.disabled
