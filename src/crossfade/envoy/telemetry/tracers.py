"""The tracer of a mesh's proxy, in its bootstrap: where spans go, how many requests have them. Standard library only.

It stands there and not with the listeners, as in App Mesh's image: pods say it in their environment, and proxies whose
listeners are alike share their encoding. A listener whose tracing names no provider takes the bootstrap's.
"""

from enum import StrEnum
from typing import Any, Final, NamedTuple

from crossfade.envoy.static_clusters import TYPE, Json, assignment, discovery

CLUSTER: Final = "crossfade_tracer"
_TIMEOUT: Final = "5s"
# Batches under way to a collector that does not answer; more are dropped and counted.
_MOST_REQUESTS: Final = 16
_MILLION: Final = 1_000_000
_TEN_THOUSAND: Final = 10_000


class Protocol(StrEnum):
    ZIPKIN = "zipkin"
    DATADOG = "datadog"
    OTLP = "otlp"


class Tracer(NamedTuple):
    """`sampling` is the share of the requests without a trace that begin one; those with one go by what it says."""

    protocol: Protocol
    host: str
    port: int
    sampling: float = 1.0

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def tracing(tracer: Tracer, service: str) -> Json:
    """`service` is what a backend calls the proxy."""
    name, config = _provider(tracer, service)
    return {"http": {"name": f"envoy.tracers.{name}", "typed_config": config}}


def _provider(tracer: Tracer, service: str) -> tuple[str, Json]:
    kind = f"{TYPE}envoy.config.trace.v3."
    if tracer.protocol is Protocol.ZIPKIN:
        # Zipkin's has no name of its own for the service: it takes the node's cluster.
        return "zipkin", {
            "@type": kind + "ZipkinConfig",
            "collector_cluster": CLUSTER,
            "collector_endpoint": "/api/v2/spans",
            "collector_endpoint_version": "HTTP_JSON",
            "collector_hostname": tracer.authority,
            "trace_id_128bit": True,
            "shared_span_context": False,
            "trace_context_option": "USE_B3_WITH_W3C_PROPAGATION",
        }
    if tracer.protocol is Protocol.DATADOG:
        return "datadog", {
            "@type": kind + "DatadogConfig",
            "collector_cluster": CLUSTER,
            "collector_hostname": tracer.authority,
            "service_name": service,
        }
    uri = {"uri": f"http://{tracer.authority}/v1/traces", "cluster": CLUSTER, "timeout": _TIMEOUT}
    return "opentelemetry", {
        "@type": kind + "OpenTelemetryConfig",
        "service_name": service,
        "http_service": {"http_uri": uri},
        "sampler": _sampler("parent_based", "ParentBasedSamplerConfig", wrapped_sampler=_ratio(tracer.sampling)),
    }


def _ratio(sampling: float) -> Json:
    share = {"numerator": round(sampling * _MILLION), "denominator": "MILLION"}
    return _sampler("trace_id_ratio_based", "TraceIdRatioBasedSamplerConfig", sampling_percentage=share)


def _sampler(name: str, message: str, **fields: Any) -> Json:
    kind = f"{TYPE}envoy.extensions.tracers.opentelemetry.samplers.v3.{message}"
    full = f"envoy.tracers.opentelemetry.samplers.{name}"
    return {"name": full, "typed_config": {"@type": kind, **fields}}


def tracer_cluster(tracer: Tracer) -> Json:
    limits = {"max_requests": _MOST_REQUESTS, "max_pending_requests": _MOST_REQUESTS, "max_retries": 0}
    return {
        "name": CLUSTER,
        "connect_timeout": "1s",
        "load_assignment": assignment(CLUSTER, tracer.host, tracer.port),
        "circuit_breakers": {"thresholds": [limits]},
        **discovery(tracer.host),
    }


def tracer_runtime(tracer: Tracer) -> Json:
    """No client forces a trace by `x-client-trace-id`. With OTLP the sampler decides, in place of the listener."""
    return {
        "tracing.client_enabled": 0,
        "tracing.random_sampling": round(tracer.sampling * _TEN_THOUSAND),
    }
