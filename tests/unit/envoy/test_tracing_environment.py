"""Which tracer the environment of a mesh's proxy asks for."""

import re

import pytest

from crossfade.envoy.telemetry.environment import traced
from crossfade.envoy.telemetry.tracers import Protocol, Tracer

PATH = "mesh/dj-app/virtualNode/jazz_prod"
JAEGER = {"ENABLE_ENVOY_JAEGER_TRACING": "1"}
XRAY = {"ENABLE_ENVOY_XRAY_TRACING": "1"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"ENABLE_ENVOY_JAEGER_TRACING": "0"}, None),
        (JAEGER, Tracer(Protocol.ZIPKIN, "127.0.0.1", 9411)),
        (
            JAEGER | {"JAEGER_TRACER_ADDRESS": "[fd00::1]", "JAEGER_TRACER_PORT": "80"},
            Tracer(Protocol.ZIPKIN, "fd00::1", 80),
        ),
        (
            {"ENABLE_ENVOY_DATADOG_TRACING": "1", "CROSSFADE_TRACE_SAMPLING_RATE": "0.5"},
            Tracer(Protocol.DATADOG, "127.0.0.1", 8126, 0.5),
        ),
        (XRAY, Tracer(Protocol.OTLP, "cloudwatch-agent.amazon-cloudwatch", 4316, 0.05)),
        (XRAY | {"XRAY_SAMPLING_RATE": "1"}, Tracer(Protocol.OTLP, "cloudwatch-agent.amazon-cloudwatch", 4316, 1)),
        ({"CROSSFADE_OTLP_ADDRESS": "c:1"}, Tracer(Protocol.OTLP, "c", 1)),
    ],
)
def test_which_tracer(environment: dict[str, str], expected: Tracer | None) -> None:
    assert traced(environment, PATH).tracer == expected


def test_what_a_backend_calls_the_proxy() -> None:
    assert traced({}, PATH).service == PATH
    assert traced({"XRAY_SEGMENT_NAME": "jazz"}, PATH).service == "jazz"


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        (JAEGER | XRAY, "Envoy only supports a single tracer instance"),
        (JAEGER | {"JAEGER_TRACER_PORT": "65536"}, "JAEGER_TRACER_PORT is '65536': it must be a port"),
        (JAEGER | {"JAEGER_TRACER_ADDRESS": "a/b"}, "JAEGER_TRACER_ADDRESS is 'a/b': it must be the name of a host"),
        ({"CROSSFADE_OTLP_ADDRESS": "c"}, "CROSSFADE_OTLP_ADDRESS is 'c': it must be host:port"),
        (XRAY | {"XRAY_SAMPLING_RATE": "5%"}, "XRAY_SAMPLING_RATE is '5%': it must be a number from 0 to 1"),
    ],
)
def test_what_is_refused(environment: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        traced(environment, PATH)


def test_what_is_told() -> None:
    told = traced(XRAY | {"ENVOY_TRACING_CFG_FILE": "/x"}, PATH).remarks
    assert [text.partition(" ")[0] for text in told] == ["ENVOY_TRACING_CFG_FILE", "ENABLE_ENVOY_XRAY_TRACING:"]
