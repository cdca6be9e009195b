"""Which tracer a mesh's proxy has, by the names of App Mesh's image (appmesh.md §3.12, §4.4)."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from crossfade.envoy.telemetry.tracers import Protocol, Tracer

OTLP_ADDRESS: Final = "CROSSFADE_OTLP_ADDRESS"
SAMPLING_RATE: Final = "CROSSFADE_TRACE_SAMPLING_RATE"
XRAY: Final = "ENABLE_ENVOY_XRAY_TRACING"
JAEGER: Final = "ENABLE_ENVOY_JAEGER_TRACING"
DATADOG: Final = "ENABLE_ENVOY_DATADOG_TRACING"
XRAY_SAMPLING_RATE: Final = "XRAY_SAMPLING_RATE"
XRAY_COLLECTOR: Final = "cloudwatch-agent.amazon-cloudwatch:4316"
"""Where CloudWatch's agent takes OTLP over HTTP unless it is installed otherwise."""
XRAY_RATE: Final = 0.05
ONE_TRACER: Final = "Envoy only supports a single tracer instance. Please choose between Jaeger, Datadog or X-Ray."
NO_XRAY: Final = (
    "Envoy speaks with no X-Ray daemon any more, so spans go by OTLP over HTTP to {}; a collector there hands them on "
    "to X-Ray"
)
_ON: Final = frozenset({"1", "true"})
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_.])?|\[?[0-9A-Fa-f:.]{2,45}\]?", re.ASCII)
_PORTS: Final = range(1, 65_536)
_WITHOUT_EFFECT: Final = {
    "ENVOY_TRACING_CFG_FILE": "no configuration of Envoy's own is taken: choose a tracer by its variables",
    "XRAY_SAMPLING_RULE_MANIFEST": f"there is one rate for all requests: {SAMPLING_RATE}",
}


class Traced(NamedTuple):
    """`remarks` are for the log."""

    tracer: Tracer | None = None
    service: str = ""
    remarks: tuple[str, ...] = ()


def traced(environment: Mapping[str, str], path: str) -> Traced:
    """`path` names the virtual node or gateway. Raises ValueError naming the variable that is wrong."""
    remarks = [f"{name} has no effect: {why}" for name, why in _WITHOUT_EFFECT.items() if environment.get(name)]
    switched_on = [name for name in (JAEGER, DATADOG, XRAY) if environment.get(name) in _ON]
    if len(switched_on) > 1:
        raise ValueError(f"{' '.join(switched_on)}: {ONE_TRACER}")
    service = environment.get("XRAY_SEGMENT_NAME") or path
    if switched_on == [JAEGER]:
        return Traced(_of(environment, Protocol.ZIPKIN, "JAEGER_TRACER", 9411), service, tuple(remarks))
    if switched_on == [DATADOG]:
        return Traced(_of(environment, Protocol.DATADOG, "DATADOG_TRACER", 8126), service, tuple(remarks))
    address = environment.get(OTLP_ADDRESS) or (XRAY_COLLECTOR if switched_on else "")
    if not address:
        return Traced(None, service, tuple(remarks))
    if switched_on:
        remarks.append(f"{XRAY}: {NO_XRAY.format(address)}")
    host, port = host_and_port(OTLP_ADDRESS, address)
    sampling = _sampling(environment, XRAY_SAMPLING_RATE, XRAY_RATE) if switched_on else _sampling(environment)
    return Traced(Tracer(Protocol.OTLP, host, port, sampling), service, tuple(remarks))


def _of(environment: Mapping[str, str], protocol: Protocol, prefix: str, port: int) -> Tracer:
    host = environment.get(f"{prefix}_ADDRESS") or "127.0.0.1"
    text = environment.get(f"{prefix}_PORT") or str(port)
    return Tracer(
        protocol, tracer_host(f"{prefix}_ADDRESS", host), _port(f"{prefix}_PORT", text), _sampling(environment)
    )


def host_and_port(name: str, text: str) -> tuple[str, int]:
    """Of `host:port`, where the host is a name or an address. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not host:
        raise ValueError(f"{name} is {text!r}: it must be host:port")
    return tracer_host(name, host), _port(name, port)


def tracer_host(name: str, text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError(f"{name} is {text!r}: it must be the name of a host, or an address")
    return text.strip("[]")


def _port(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) in _PORTS):
        raise ValueError(f"{name} is {text!r}: it must be a port, 1 to 65535")
    return int(text)


def _sampling(environment: Mapping[str, str], other: str = "", default: float = 1.0) -> float:
    """Ours goes before the `other` variable."""
    name = other if other and not environment.get(SAMPLING_RATE) else SAMPLING_RATE
    text = environment.get(name)
    return share(name, text) if text else default


def share(name: str, text: str) -> float:
    """Raises ValueError."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise ValueError(f"{name} is {text!r}: it must be a number from 0 to 1")
    return found
