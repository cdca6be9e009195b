"""Resizes of running pods: whether there is room for what is asked for, and what containers then get. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.pod_resources import Amounts, amount, pod_amounts
from crossfade_local.values.fields import mapping, objects, text

PENDING: Final = "PodResizePending"
IN_PROGRESS: Final = "PodResizeInProgress"
_LISTS: Final = ("initContainers", "containers")
_KINDS: Final = ("cpu", "memory")
_UNITS: Final = {"cpu": 1000}


class ResizeError(Exception):
    """It cannot be carried out now; the text is for the pod's condition."""


class Room(NamedTuple):
    """What there is on the node, and what its other pods have of it."""

    allocatable: Amounts
    taken: Amounts


def resources_by_name(pod: JsonObject) -> dict[str, JsonObject]:
    return {one["name"]: mapping(one, "resources") for kind in _LISTS for one in objects(pod["spec"], kind)}


def refusal(pod: JsonObject, room: Room) -> JsonObject | None:
    """The condition that says why the pod does not get what it asks for."""
    wanted = pod_amounts(pod, "requests")
    for kind in _KINDS:
        asked, there = wanted.get(kind, amount(0)), room.allocatable.get(kind, amount(0))
        if asked > there:
            unit = _UNITS.get(kind, 1)
            numbers = f"requested: {int(asked * unit)}, capacity: {int(there * unit)}"
            return _condition(PENDING, pod, "Infeasible", f"Node didn't have enough capacity: {kind}, {numbers}")
    for kind in _KINDS:
        if wanted.get(kind, amount(0)) + room.taken.get(kind, amount(0)) > room.allocatable.get(kind, amount(0)):
            return _condition(PENDING, pod, "Deferred", f"Node didn't have enough resource: {kind}")
    return None


def failure(pod: JsonObject, error: Exception) -> JsonObject:
    """The condition of a resize for which there is room, but which the kernel does not let happen yet."""
    return _condition(IN_PROGRESS, pod, "Error", str(error))


def _condition(kind: str, pod: JsonObject, reason: str, message: str) -> JsonObject:
    generation = pod["metadata"].get("generation")
    told = {"type": kind, "status": "True", "reason": reason, "message": message}
    return told if generation is None else {**told, "observedGeneration": generation}


def needs_restart(container: JsonObject, resources: Mapping[str, Any]) -> bool:
    """Whether its resizePolicy says so for something that changes."""
    restarting = {
        text(one, "resourceName")
        for one in objects(container, "resizePolicy")
        if text(one, "restartPolicy") == "RestartContainer"
    }
    return not restarting.isdisjoint(_changed(mapping(container, "resources"), resources))


def _changed(old: JsonObject, new: Mapping[str, Any]) -> Iterator[str]:
    for kind in _KINDS:
        for amounts in ("limits", "requests"):
            if mapping(old, amounts).get(kind) != (new.get(amounts) or {}).get(kind):
                yield kind
