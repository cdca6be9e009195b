"""Priorities of pods come from classes: those of the system stay, and at most one is everybody's default."""

from collections.abc import Callable
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.status import forbidden

CLASSES: Final = "scheduling.k8s.io/priorityclasses"
_POLICY: Final = "PreemptLowerPriority"
_POLICY_CALLED: Final = "string value of PreemptionPolicy"
_NOT_OWN: Final = (
    "the {} ({}) must not be provided in pod spec; "
    "priority admission controller computed {} from the given PriorityClass name"
)


def _system_class(name: str, value: int, description: str) -> JsonObject:
    return {
        "metadata": {"name": name, "generation": 1},
        "description": description,
        "preemptionPolicy": _POLICY,
        "value": value,
    }


SYSTEM_CLASSES: Final = (
    _system_class(
        "system-node-critical",
        2000001000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    _system_class(
        "system-cluster-critical",
        2000000000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
)
_SYSTEM_NAMES: Final = frozenset(item["metadata"]["name"] for item in SYSTEM_CLASSES)


def of_pods(storage: Storage) -> Callable[[Attributes], None]:
    """A pod's priority is its class's; a pod that names another one is refused."""

    def step(attributes: Attributes) -> None:
        pod = attributes.new
        if pod is None or attributes.bucket != "/pods" or attributes.subresource:
            return
        spec = pod["spec"]
        if attributes.operation == "UPDATE":
            _keep(spec, (attributes.old or {}).get("spec") or {})
        elif attributes.operation == "CREATE":
            wanted = _priority(storage, spec, attributes.told_name)
            for name, called in (("priority", "integer value of priority"), ("preemptionPolicy", _POLICY_CALLED)):
                if spec.get(name) not in (None, wanted[name]):
                    raise forbidden("pods", "", attributes.told_name, _NOT_OWN.format(called, spec[name], wanted[name]))
            spec.update(wanted)

    return step


def _keep(spec: JsonObject, old: JsonObject) -> None:
    """Whoever writes a pod back without what was added to it changes nothing by that."""
    for name in ("priority", "preemptionPolicy"):
        if spec.get(name) is None and old.get(name) is not None:
            spec[name] = old[name]


def _priority(storage: Storage, spec: JsonObject, pod_name: str) -> JsonObject:
    """Also names the default class in the spec, where there is one and no other is named."""
    name = spec.get("priorityClassName", "")
    found: JsonObject = {}
    if name:
        stored = storage.get(CLASSES, "", name)
        if stored is None:
            raise forbidden("pods", "", pod_name, f"no PriorityClass with name {name} was found")
        found = stored.object
    elif (default := _default(storage)) is not None:
        spec["priorityClassName"] = default["metadata"]["name"]
        found = default
    return {"priority": found.get("value", 0), "preemptionPolicy": found.get("preemptionPolicy", _POLICY)}


def _default(storage: Storage) -> JsonObject | None:
    found = (stored.object for stored in storage.scan(CLASSES))
    return next((item for item in found if item.get("globalDefault")), None)


def of_classes(storage: Storage) -> Callable[[Attributes], None]:
    """Refuses a second default, and to do without a class of the system."""

    def step(attributes: Attributes) -> None:
        if attributes.bucket != CLASSES:
            return
        name = attributes.name
        if attributes.operation == "DELETE" and name in _SYSTEM_NAMES:
            why = "this is a system priority class and cannot be deleted"
            raise forbidden("priorityclasses", "scheduling.k8s.io", name, why)
        if attributes.new is None or not attributes.new.get("globalDefault"):
            return
        if (default := _default(storage)) is not None and (other := default["metadata"]["name"]) != name:
            why = f"PriorityClass {other} is already marked as default. Only one default can exist"
            raise forbidden("priorityclasses", "scheduling.k8s.io", name, why)

    return step
