"""Warnings for pods and pod templates that are accepted but ask for trouble."""

from collections.abc import Iterable, Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.values.gotext import quoted
from crossfade_local.quantity import canonical, parse
from crossfade_local.values.fields import mapping, number, objects, text

_NO_POD: Final = "a null labelSelector results in matching no pod"
_BYTES: Final = ("memory", "ephemeral-storage")
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def pod_warnings(field: str, spec: JsonObject) -> Iterator[str]:
    """`field` is the path of the pod's spec."""
    yield from _selectors_without_pods(field, spec)
    for name, value in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        yield from _twice(f"{field}.{name}", value, [text(item, value) for item in objects(spec, name)])
    for index, secret in enumerate(objects(spec, "imagePullSecrets")):
        if not text(secret, "name"):
            yield f'{field}.imagePullSecrets[{index}].name: invalid empty name ""'
    for volume in objects(spec, "volumes"):
        if "projected" in volume and not objects(volume, "projected", "sources"):
            yield f"volume {quoted(text(volume, 'name'))} (Projected) has no sources provided"
    for name in ("initContainers", "containers"):
        for index, container in enumerate(objects(spec, name)):
            yield from _of_container(f"{field}.{name}[{index}]", container)


def _selectors_without_pods(field: str, spec: JsonObject) -> Iterator[str]:
    for place, term in _selecting(field, spec):
        if term.get("labelSelector") is None:
            yield f"{place}.labelSelector: {_NO_POD}"


def _selecting(field: str, spec: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """What selects pods by their labels."""
    for index, constraint in enumerate(objects(spec, "topologySpreadConstraints")):
        yield f"{field}.topologySpreadConstraints[{index}]", constraint
    for name in ("podAffinity", "podAntiAffinity"):
        terms, place = mapping(spec, "affinity", name), f"{field}.affinity.{name}"
        for index, term in enumerate(objects(terms, _REQUIRED)):
            yield f"{place}.{_REQUIRED}[{index}]", term
        for index, term in enumerate(objects(terms, _PREFERRED)):
            yield f"{place}.{_PREFERRED}[{index}].podAffinityTerm", mapping(term, "podAffinityTerm")


def _twice(field: str, called: str, values: Iterable[str]) -> Iterator[str]:
    taken: set[str] = set()
    for index, value in enumerate(values):
        if value in taken:
            yield f"{field}[{index}].{called}: duplicate {called} {quoted(value)}"
        taken.add(value)


def _of_container(field: str, container: JsonObject) -> Iterator[str]:
    for kind in ("limits", "requests"):
        amounts = mapping(container, "resources", kind)
        for name in _BYTES:
            if name in amounts and parse(amounts[name]).denominator != 1:
                said = f"fractional byte value {quoted(canonical(amounts[name]))} is invalid, must be an integer"
                yield f"{field}.resources.{kind}[{name}]: {said}"
    for index, port in enumerate(objects(container, "ports")):
        if text(port, "hostIP") and not number(port, "hostPort"):
            shown = " ".join(f"{name}:{value}" for name, value in _port_in_go(port))
            yield f"{field}.ports[{index}]: hostIP set without hostPort: {{{shown}}}"


def _port_in_go(port: JsonObject) -> Iterator[tuple[str, str | int]]:
    yield "Name", text(port, "name")
    yield "HostPort", number(port, "hostPort")
    yield "ContainerPort", number(port, "containerPort")
    yield "Protocol", text(port, "protocol")
    yield "HostIP", text(port, "hostIP")
