"""What may change in the resources of a running pod, through its subresource `resize`."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.containers import RESIZABLE
from crossfade_local.apiserver.validation.errors import FieldError, forbidden, invalid
from crossfade_local.apiserver.validation.metadata import validate_metadata_update
from crossfade_local.apiserver.validation.pods import validate_pod_as_it_is
from crossfade_local.apiserver.values.copies import copied
from crossfade_local.pod_resources import qos_class
from crossfade_local.values.fields import mapping, objects, text

_LISTS: Final = ("containers", "initContainers")
_ENDED: Final = ("Succeeded", "Failed")


def with_resources_of(new: JsonObject, old: JsonObject) -> JsonObject:
    """The spec `old` with the resources of containers in `new`: nothing else can be changed this way."""
    spec = copied(old)
    for name in _LISTS:
        wanted = {text(one, "name"): one for one in objects(new, name)}
        for container in objects(spec, name):
            if (one := wanted.get(text(container, "name"))) is not None:
                container.pop("resources", None)
                if "resources" in one:
                    container["resources"] = one["resources"]
    return spec


def validate_pod_resize(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from validate_metadata_update(new, old)
    yield from validate_pod_as_it_is(new)
    if (phase := text(old, "status", "phase")) in _ENDED:
        yield forbidden("spec", f"the pod has ended ({phase}): nothing of it can be resized; make a new one")
    if qos_class(new) != qos_class(old):
        yield invalid("spec", qos_class(old), "Pod QOS Class may not change as a result of resizing")
    for name in _LISTS:
        for index, (after, before) in enumerate(
            zip(objects(new, "spec", name), objects(old, "spec", name), strict=True)
        ):
            if after.get("resources") != before.get("resources"):
                yield from _validate_container(f"spec.{name}[{index}]", name, after, before)


def _validate_container(field: str, kind: str, after: JsonObject, before: JsonObject) -> Iterator[FieldError]:
    if kind == "initContainers" and text(before, "restartPolicy") != "Always":
        yield forbidden(f"{field}.resources", "only those of init containers with restartPolicy Always can be resized")
    new, old = mapping(after, "resources"), mapping(before, "resources")
    for amounts in ("limits", "requests"):
        there, wanted = mapping(old, amounts), mapping(new, amounts)
        if set(RESIZABLE) & (there.keys() - wanted.keys()):
            yield forbidden(f"{field}.resources.{amounts}", f"resource {amounts} cannot be removed")
        if _others(there) != _others(wanted):
            yield forbidden(f"{field}.resources.{amounts}", "only cpu and memory resources are mutable")
    if new.get("claims") != old.get("claims"):
        yield forbidden(f"{field}.resources.claims", "only cpu and memory resources are mutable")


def _others(amounts: JsonObject) -> JsonObject:
    return {name: value for name, value in amounts.items() if name not in RESIZABLE}
