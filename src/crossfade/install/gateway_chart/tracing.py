"""Traces, by the same values as the mesh's chart has: a plugin for all requests of the gateway."""

from typing import Any, Final

from crossfade.install.gateway_chart.names import FULLNAME, SELECTOR
from crossfade.install.template.nodes import (
    All,
    AppVersion,
    Given,
    Is,
    Merged,
    Not,
    Number,
    Value,
    When,
    first_of,
    text,
)
from crossfade_kube.meta import JsonObject

_PROVIDER: Final = Value("tracing.provider")
_IS_ZIPKIN: Final = Is(_PROVIDER, "jaeger")
_IS_XRAY: Final = Is(_PROVIDER, "x-ray")
_ENABLED: Final = Value("tracing.enabled")
_RATE: Final = Value("tracing.samplingRate")
# Spans in one request to the backend, so that there is not one for each span.
_BATCH: Final = 200


def tracing() -> dict[str, Any]:
    jaeger = _endpoint("appmesh-jaeger.appmesh-system", "9411", "/api/v2/spans")
    zipkin = {"http_endpoint": jaeger, "sample_ratio": _RATE}
    agent = When(_IS_XRAY, "cloudwatch-agent.amazon-cloudwatch", "opentelemetry-collector.observability")
    otlp = {
        "traces_endpoint": _endpoint(agent, When(_IS_XRAY, "4316", "4318"), "/v1/traces"),
        "sampling_rate": _RATE,
    }
    return {
        "zipkin.yaml": When(All((_ENABLED, _IS_ZIPKIN)), _plugin("zipkin", zipkin)),
        "opentelemetry.yaml": When(All((_ENABLED, Not(_IS_ZIPKIN))), _plugin("opentelemetry", otlp)),
    }


def _endpoint(host: Any, port: Any, path: str) -> Any:
    given = When(Value("tracing.port"), text(Number("tracing.port")), port)
    return text("http://", first_of(Value("tracing.address"), host), ":", given, path)


def _plugin(name: str, config: JsonObject) -> JsonObject:
    labels = Merged({**SELECTOR, "app.kubernetes.io/version": AppVersion(), "global": "true"}, (Given("extraLabels"),))
    return {
        "apiVersion": "configuration.konghq.com/v1",
        "kind": "KongClusterPlugin",
        "metadata": {
            "name": text(FULLNAME, "-", name),
            "labels": labels,
            "annotations": {"kubernetes.io/ingress.class": Value("ingressController.ingressClass")},
        },
        "plugin": name,
        "config": {**config, "queue": {"max_batch_size": _BATCH}},
    }
