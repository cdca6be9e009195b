"""Which tracer sidecars have: by the flags of App Mesh's controller, else by the environment."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from crossfade.controller.mesh.flag_table import DATADOG, JAEGER, XRAY
from crossfade.controller.mesh.flags import Remark
from crossfade.envoy.telemetry.environment import NO_XRAY, XRAY_COLLECTOR, XRAY_RATE, host_and_port, share, tracer_host
from crossfade.inject.settings import Provider, Tracing
from crossfade.inject.tracing import HOST_IP

VARIABLES: Final = {
    "CROSSFADE_TRACING": "`jaeger`, `datadog`, `x-ray` or `otlp`: whose traces sidecars send. Empty: none.",
    "CROSSFADE_TRACING_ADDRESS": "The host that spans go to, or `ref:status.hostIP` for an agent on each node.",
    "CROSSFADE_TRACING_PORT": "Its port.",
    "CROSSFADE_TRACING_SAMPLING_RATE": "The share (0 to 1) of the requests without a trace that begin one: all unless "
    "it is set, with `x-ray` 0.05.",
}
_HOSTS: Final = {
    Provider.JAEGER: "appmesh-jaeger.appmesh-system",
    Provider.DATADOG: "datadog.appmesh-system",
    Provider.OTLP: "opentelemetry-collector.observability",
}
_PORTS: Final = {Provider.JAEGER: 9411, Provider.DATADOG: 8126, Provider.OTLP: 4318}
_SWITCHES: Final = {Provider.JAEGER: JAEGER, Provider.DATADOG: DATADOG, Provider.XRAY: XRAY}


class Wanted(NamedTuple):
    tracing: Tracing | None
    remarks: tuple[Remark, ...] = ()


def wanted_tracing(environ: Mapping[str, str], flags: Mapping[str, object]) -> Wanted:
    """Raises ValueError naming the variable that is wrong."""
    on = next((provider for provider, name in _SWITCHES.items() if flags.get(name)), None)
    name = environ.get("CROSSFADE_TRACING", "")
    if on is None and name not in ("", *Provider):
        raise ValueError(f"CROSSFADE_TRACING is {name!r}: it must be one of {', '.join(Provider)}")
    given = Provider(name) if name and not _is_switched_off(name, flags) else None
    provider = on or given
    if provider is None:
        return Wanted(None)
    host, port = _address(environ, provider)
    rate = environ.get("CROSSFADE_TRACING_SAMPLING_RATE")
    sampling = share("CROSSFADE_TRACING_SAMPLING_RATE", rate) if rate else None
    if provider is Provider.XRAY:
        sampling = flags.get("xray-sampling-rate", XRAY_RATE if sampling is None else sampling)  # type: ignore[assignment]
        text = NO_XRAY.format(f"{host}:{port}")
        return Wanted(Tracing(provider, host, port, sampling), (Remark(f"--{XRAY}", f"counts: {text}"),))
    host = str(flags.get(f"{provider}-address", host))
    return Wanted(Tracing(provider, host, int(str(flags.get(f"{provider}-port", port))), sampling))


def _is_switched_off(name: str, flags: Mapping[str, object]) -> bool:
    return flags.get(_SWITCHES.get(Provider(name), "")) is False


def _address(environ: Mapping[str, str], provider: Provider) -> tuple[str, int]:
    if provider is Provider.XRAY:
        default_host, default_port = host_and_port("", XRAY_COLLECTOR)
    else:
        default_host, default_port = _HOSTS[provider], _PORTS[provider]
    host = environ.get("CROSSFADE_TRACING_ADDRESS") or default_host
    if host != HOST_IP:
        tracer_host("CROSSFADE_TRACING_ADDRESS", host)
    text = environ.get("CROSSFADE_TRACING_PORT") or str(default_port)
    return host, host_and_port("CROSSFADE_TRACING_PORT", f"host:{text}")[1]
