"""aws-lambda: which configurations are right, and what the module gets of them."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

NEEDED: dict[str, Any] = {"aws_key": "k", "aws_secret": "s", "aws_region": "eu-west-1", "function_name": "f"}
DEFAULTS: dict[str, Any] = {
    "timeout": 60_000,
    "keepalive": 60_000,
    "qualifier": None,
    "invocation_type": "RequestResponse",
    "log_type": "Tail",
    "host": None,
    "port": 443,
    "disable_https": False,
    "unhandled_status": None,
    "forward_request_method": False,
    "forward_request_uri": False,
    "forward_request_headers": False,
    "forward_request_body": False,
    "is_proxy_integration": False,
    "awsgateway_compatible": False,
    "skip_large_bodies": True,
    "base64_encode_body": True,
    "empty_arrays_mode": "legacy",
}


def test_defaults() -> None:
    verdict = judge_plugin("aws-lambda", NEEDED)
    assert isinstance(verdict, Accepted)
    assert verdict.steps == (ModuleStep(NEEDED | DEFAULTS),)


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_what_must_be_there(name: str) -> None:
    verdict = judge_plugin("aws-lambda", {key: value for key, value in NEEDED.items() if key != name})
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation (config.{name}: required field missing)"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"aws_key": "a\nb"}, "config.aws_key: control characters are not allowed in header values"),
        ({"aws_region": "eu west"}, "config.aws_region: invalid value: eu west"),
        ({"host": "a:1"}, "config.host: must not have a port"),
        ({"port": -1}, "config.port: value should be between 0 and 65535"),
        ({"invocation_type": "x"}, "config.invocation_type: expected one of: RequestResponse, Event, DryRun"),
        ({"log_type": "x"}, "config.log_type: expected one of: Tail, None"),
        ({"unhandled_status": 99}, "config.unhandled_status: value should be between 100 and 999"),
        ({"unhandled_status": 600}, "config.unhandled_status: value should be between 200 and 599"),
        ({"timeout": -1}, "config.timeout: value should be between 0 and 2147483646"),
        ({"empty_arrays_mode": "x"}, "config.empty_arrays_mode: expected one of: legacy, correct"),
        ({"proxy_url": "http://p"}, "config.proxy_url: the gateway calls AWS directly; name a forwarding host in host"),
        (
            {"aws_assume_role_arn": "arn:x"},
            "config.aws_assume_role_arn: the gateway assumes no roles: give a key and secret that may invoke",
        ),
        (
            {"aws_sts_endpoint_url": "https://sts"},
            "config.aws_sts_endpoint_url: the gateway assumes no roles, so it asks no STS",
        ),
        ({"proxy_scheme": "http"}, "config.proxy_scheme: unknown field"),
    ],
)
def test_refusals(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("aws-lambda", NEEDED | config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({reason})"
