"""The tracer in the environment of the `envoy` container (appmesh.md §4.4)."""

from collections.abc import Iterable
from typing import Final

from crossfade.envoy.telemetry.environment import (
    DATADOG,
    JAEGER,
    OTLP_ADDRESS,
    SAMPLING_RATE,
    XRAY,
    XRAY_SAMPLING_RATE,
    traced,
)
from crossfade.inject.decision import InjectionDenied
from crossfade.inject.settings import Provider, Tracing
from crossfade_kube.meta import JsonObject

HOST_IP: Final = "ref:status.hostIP"
_ADDRESSES: Final = {
    Provider.JAEGER: (JAEGER, "JAEGER_TRACER_ADDRESS", "JAEGER_TRACER_PORT"),
    Provider.DATADOG: (DATADOG, "DATADOG_TRACER_ADDRESS", "DATADOG_TRACER_PORT"),
}


def tracing_variables(tracing: Tracing | None) -> list[JsonObject]:
    """Entries of `env`."""
    if tracing is None:
        return []
    if tracing.provider in _ADDRESSES:
        switch, host, port = _ADDRESSES[tracing.provider]
        found = [_plain(switch, "1"), _host(host, tracing.host), _plain(port, str(tracing.port))]
        return [*found, *_rate(SAMPLING_RATE, tracing.sampling)]
    if tracing.provider is Provider.XRAY:
        switched_on = [_plain(XRAY, "1"), *_rate(XRAY_SAMPLING_RATE, tracing.sampling)]
    else:
        switched_on = _rate(SAMPLING_RATE, tracing.sampling)
    return [*switched_on, *_otlp(tracing)]


def refuse_wrong_tracing(env: Iterable[JsonObject]) -> None:
    """Of the controller's variables and the author's; those whose values come from elsewhere only the pod knows.

    Raises InjectionDenied, as App Mesh did.
    """
    plain = {entry["name"]: str(entry["value"]) for entry in env if "$(" not in str(entry.get("value", "$("))}
    try:
        traced(plain, "")
    except ValueError as problem:
        raise InjectionDenied(f"annotations sidecarEnv and sidecarEnvJson: {problem}") from None


def _otlp(tracing: Tracing) -> list[JsonObject]:
    """A variable behind another in the list can hold it."""
    if tracing.host != HOST_IP:
        return [_plain(OTLP_ADDRESS, f"{tracing.host}:{tracing.port}")]
    return [_host("HOST_IP", HOST_IP), _plain(OTLP_ADDRESS, f"$(HOST_IP):{tracing.port}")]


def _rate(name: str, sampling: float | None) -> list[JsonObject]:
    return [] if sampling is None else [_plain(name, f"{sampling:g}")]


def _host(name: str, host: str) -> JsonObject:
    if host == HOST_IP:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": HOST_IP.removeprefix("ref:")}}}
    return _plain(name, host)


def _plain(name: str, value: str) -> JsonObject:
    return {"name": name, "value": value}
