"""Which tracer sidecars get: flags of App Mesh's controller, or variables."""

import re

import pytest

from crossfade.controller.mesh.settings import MeshSettings
from crossfade.inject.settings import Provider, Tracing
from crossfade.inject.tracing import tracing_variables

CASES = [
    ({}, [], None),
    ({"CROSSFADE_TRACING": "jaeger"}, [], ("jaeger", "appmesh-jaeger.appmesh-system", 9411, None)),
    (
        {
            "CROSSFADE_TRACING": "jaeger",
            "CROSSFADE_TRACING_ADDRESS": "j",
            "CROSSFADE_TRACING_PORT": "1",
            "CROSSFADE_TRACING_SAMPLING_RATE": "0.25",
        },
        [],
        ("jaeger", "j", 1, 0.25),
    ),
    (
        {"CROSSFADE_TRACING": "otlp", "CROSSFADE_TRACING_ADDRESS": "ref:status.hostIP"},
        [],
        ("otlp", "ref:status.hostIP", 4318, None),
    ),
    ({"CROSSFADE_TRACING": "otlp"}, [], ("otlp", "opentelemetry-collector.observability", 4318, None)),
    ({"CROSSFADE_TRACING": "x-ray"}, [], ("x-ray", "cloudwatch-agent.amazon-cloudwatch", 4316, 0.05)),
    (
        {"CROSSFADE_TRACING": "otlp", "CROSSFADE_TRACING_ADDRESS": "c"},
        ["--enable-datadog-tracing", "--datadog-address=d"],
        ("datadog", "d", 8126, None),
    ),
    ({"CROSSFADE_TRACING": "jaeger"}, ["--enable-jaeger-tracing=false"], None),
    ({}, ["--enable-xray-tracing", "--xray-sampling-rate=1"], ("x-ray", "cloudwatch-agent.amazon-cloudwatch", 4316, 1)),
]


@pytest.mark.parametrize(("environment", "flags", "expected"), CASES)
def test_which_tracer(environment: dict[str, str], flags: list[str], expected: tuple[object, ...] | None) -> None:
    found = MeshSettings.from_environment(environment, None, flags).sidecar.tracing
    told = None if found is None else (found.provider, found.host, found.port, found.sampling)
    assert told == expected


@pytest.mark.parametrize(
    ("environment", "flags", "text"),
    [
        ({"CROSSFADE_TRACING": "zipkin"}, [], "CROSSFADE_TRACING is 'zipkin': it must be one of jaeger, datadog"),
        (
            {"CROSSFADE_TRACING": "jaeger", "CROSSFADE_TRACING_ADDRESS": "http://j"},
            [],
            "CROSSFADE_TRACING_ADDRESS is 'http://j': it must be the name of a host",
        ),
        ({"CROSSFADE_TRACING": "jaeger", "CROSSFADE_TRACING_PORT": "0"}, [], "CROSSFADE_TRACING_PORT is '0': it must"),
        (
            {"CROSSFADE_TRACING": "jaeger", "CROSSFADE_TRACING_SAMPLING_RATE": "nan"},
            [],
            "CROSSFADE_TRACING_SAMPLING_RATE is 'nan': it must be a number from 0 to 1",
        ),
        ({}, ["--jaeger-address=a b"], "--jaeger-address is 'a b': it must be the name of a host, or an address"),
        ({}, ["--xray-sampling-rate=2"], "--xray-sampling-rate is '2': it must be a number from 0 to 1"),
        ({}, ["--enable-jaeger-tracing", "--enable-xray-tracing"], "Envoy only supports a single tracer instance"),
    ],
)
def test_what_is_refused(environment: dict[str, str], flags: list[str], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        MeshSettings.from_environment(environment, None, flags)


def test_x_ray_is_told_that_there_is_no_daemon() -> None:
    (remark,) = MeshSettings.from_environment({}, None, ["--enable-xray-tracing"]).remarks
    assert remark.flag == "--enable-xray-tracing"
    assert "by OTLP over HTTP to cloudwatch-agent.amazon-cloudwatch:4316" in remark.text


@pytest.mark.parametrize(
    ("tracing", "expected"),
    [
        (None, {}),
        (
            Tracing(Provider.JAEGER, "j", 9411, 0.25),
            {
                "ENABLE_ENVOY_JAEGER_TRACING": "1",
                "JAEGER_TRACER_ADDRESS": "j",
                "JAEGER_TRACER_PORT": "9411",
                "CROSSFADE_TRACE_SAMPLING_RATE": "0.25",
            },
        ),
        (
            Tracing(Provider.XRAY, "c", 4316, 0.05),
            {"ENABLE_ENVOY_XRAY_TRACING": "1", "XRAY_SAMPLING_RATE": "0.05", "CROSSFADE_OTLP_ADDRESS": "c:4316"},
        ),
        (
            Tracing(Provider.OTLP, "ref:status.hostIP", 4318),
            {"HOST_IP": "status.hostIP", "CROSSFADE_OTLP_ADDRESS": "$(HOST_IP):4318"},
        ),
    ],
)
def test_what_a_sidecar_is_told(tracing: Tracing | None, expected: dict[str, str]) -> None:
    def value(entry: dict[str, object]) -> object:
        source = entry.get("valueFrom")
        return source["fieldRef"]["fieldPath"] if isinstance(source, dict) else entry["value"]

    assert {str(entry["name"]): value(entry) for entry in tracing_variables(tracing)} == expected
