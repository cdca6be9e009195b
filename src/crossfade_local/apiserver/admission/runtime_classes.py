"""What a pod gets of its RuntimeClass: the overhead, and on which nodes there is such a runtime."""

from collections.abc import Callable, Iterable
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.status import StatusError, forbidden, plain_error
from crossfade_local.pod_resources import amounts
from crossfade_local.values.fields import mapping, objects

_CLASSES: Final = "node.k8s.io/runtimeclasses"
_NOT_FOUND: Final = 'pod rejected: RuntimeClass "{}" not found'
_OTHER_OVERHEAD: Final = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
_OVERHEAD_ALONE: Final = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


def apply_runtime_class(storage: Storage) -> Callable[[Attributes], None]:
    def step(attributes: Attributes) -> None:
        if attributes.new is None or not attributes.is_new_pod:
            return
        spec = attributes.new["spec"]
        found = _class_of(storage, attributes, spec)
        if isinstance(found.get("overhead"), dict):
            fixed = mapping(found, "overhead", "podFixed")
            if spec.get("overhead") and amounts(spec["overhead"]) != amounts(fixed):
                raise _refused(attributes, _OTHER_OVERHEAD)
            if fixed:
                spec["overhead"] = dict(fixed)
        if isinstance(found.get("scheduling"), dict):
            _place(attributes, spec, found["scheduling"])

    return step


def check_overhead(storage: Storage) -> Callable[[Attributes], None]:
    """Whatever others have made of it: a pod's overhead is its class's."""

    def step(attributes: Attributes) -> None:
        if attributes.new is None or not attributes.is_new_pod:
            return
        spec = attributes.new["spec"]
        found = _class_of(storage, attributes, spec)
        if not isinstance(found.get("overhead"), dict):
            if spec.get("overhead") is not None:
                raise _refused(attributes, _OVERHEAD_ALONE)
        elif amounts(mapping(found, "overhead", "podFixed")) != amounts(mapping(spec, "overhead")):
            raise _refused(attributes, _OTHER_OVERHEAD)

    return step


def _class_of(storage: Storage, attributes: Attributes, spec: JsonObject) -> JsonObject:
    """Empty where the pod names none."""
    name = spec.get("runtimeClassName")
    if name is None:
        return {}
    if not name:
        raise plain_error("resource name may not be empty")
    if (stored := storage.get(_CLASSES, "", name)) is None:
        raise _refused(attributes, _NOT_FOUND.format(name))
    return stored.object


def _place(attributes: Attributes, spec: JsonObject, scheduling: JsonObject) -> None:
    own = mapping(spec, "nodeSelector")
    for label, value in mapping(scheduling, "nodeSelector").items():
        if own.get(label, value) != value:
            said = (
                f"conflict: runtimeClass.scheduling.nodeSelector[{label}] = {value}; "
                f"pod.spec.nodeSelector[{label}] = {own[label]}"
            )
            raise _refused(attributes, said)
    if selector := {**own, **mapping(scheduling, "nodeSelector")}:
        spec["nodeSelector"] = selector
    if merged := merged_tolerations([*objects(spec, "tolerations"), *objects(scheduling, "tolerations")]):
        spec["tolerations"] = merged


def merged_tolerations(tolerations: Iterable[JsonObject]) -> list[JsonObject]:
    """Without those of which another one says more; of two that say the same in other words the later one stays."""
    every, merged = list(tolerations), list[JsonObject]()
    for index, one in enumerate(every):
        later = (other for other in every[index + 1 :] if other != one)
        if not any(_covers(other, one) for other in (*merged, *later)):
            merged.append(one)
    return merged


def _covers(wide: JsonObject, narrow: JsonObject) -> bool:
    exists = wide.get("operator") == "Exists"
    if wide.get("key", "") != narrow.get("key", "") and (wide.get("key") or not exists):
        return False
    if wide.get("effect") and wide["effect"] != narrow.get("effect"):
        return False
    if wide.get("effect") == "NoExecute" and (seconds := wide.get("tolerationSeconds")) is not None:
        asked = narrow.get("tolerationSeconds")
        if asked is None or asked > seconds:
            return False
    return exists or (narrow.get("operator") != "Exists" and wide.get("value", "") == narrow.get("value", ""))


def _refused(attributes: Attributes, why: str) -> StatusError:
    return forbidden("pods", "", attributes.told_name, why)
