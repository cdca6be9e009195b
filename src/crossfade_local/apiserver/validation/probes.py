"""Validation of probes and lifecycle handlers."""

from collections.abc import Callable, Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.shapes import not_negative, port_number_or_name
from crossfade_local.values.fields import mapping, number, objects, sequence, text

_NUMBERS: Final = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def validate_probes(field: str, container: JsonObject, grace_period: int) -> Iterator[FieldError]:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if not isinstance(probe, dict):
            continue
        place = f"{field}.{name}"
        yield from _validate_probe(place, probe, grace_period)
        if name == "readinessProbe":
            if probe.get("terminationGracePeriodSeconds") is not None:
                seconds = probe["terminationGracePeriodSeconds"]
                yield invalid(f"{place}.terminationGracePeriodSeconds", seconds, "must not be set for readinessProbes")
        elif number(probe, "successThreshold") != 1:
            yield invalid(f"{place}.successThreshold", number(probe, "successThreshold"), "must be 1")


def _validate_probe(field: str, probe: JsonObject, grace_period: int) -> Iterator[FieldError]:
    yield from validate_handler(field, probe, grace_period)
    for name in _NUMBERS:
        yield from not_negative(f"{field}.{name}", number(probe, name))
    seconds = probe.get("terminationGracePeriodSeconds")
    if isinstance(seconds, int) and seconds <= 0:
        yield invalid(f"{field}.terminationGracePeriodSeconds", seconds, "must be greater than 0")


def validate_lifecycle(field: str, lifecycle: JsonObject, grace_period: int) -> Iterator[FieldError]:
    for name in ("postStart", "preStop"):
        if isinstance(lifecycle.get(name), dict):
            yield from validate_handler(f"{field}.{name}", lifecycle[name], grace_period)


def validate_handler(field: str, handler: JsonObject, grace_period: int) -> Iterator[FieldError]:
    present = [name for name in _HANDLERS if isinstance(handler.get(name), dict)]
    if not present:
        yield required(field, "must specify a handler type")
    for position, name in enumerate(present):
        if position:
            yield forbidden(f"{field}.{name}", "may not specify more than 1 handler type")
        else:
            yield from _HANDLERS[name](f"{field}.{name}", mapping(handler, name), grace_period)


def _exec(field: str, action: JsonObject, _grace_period: int) -> Iterator[FieldError]:
    if not sequence(action, "command"):
        yield required(f"{field}.command")


def _http(field: str, action: JsonObject, _grace_period: int) -> Iterator[FieldError]:
    if not text(action, "path"):
        yield required(f"{field}.path")
    yield from port_number_or_name(f"{field}.port", action.get("port"))
    if text(action, "scheme") not in ("HTTP", "HTTPS"):
        yield not_supported(f"{field}.scheme", text(action, "scheme"), ("HTTP", "HTTPS"))
    for header in objects(action, "httpHeaders"):
        name = text(header, "name")
        yield from each(f"{field}.httpHeaders", name, names.header_name(name))


def _port(field: str, action: JsonObject, _grace_period: int) -> Iterator[FieldError]:
    yield from port_number_or_name(f"{field}.port", action.get("port"))


def _sleep(field: str, action: JsonObject, grace_period: int) -> Iterator[FieldError]:
    seconds = number(action, "seconds")
    if not 0 <= seconds <= grace_period:
        said = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_period})"
        yield invalid(field, seconds, said)


_HANDLERS: Final[dict[str, Callable[[str, JsonObject, int], Iterator[FieldError]]]] = {
    "exec": _exec,
    "httpGet": _http,
    "tcpSocket": _port,
    "grpc": _port,
    "sleep": _sleep,
}
