"""What may change in a pod once it exists."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import IMMUTABLE, FieldError, each, forbidden, invalid, required
from crossfade_local.apiserver.validation.metadata import validate_metadata_update
from crossfade_local.apiserver.validation.pods import validate_pod_as_it_is
from crossfade_local.apiserver.validation.scheduling import validate_added_tolerations
from crossfade_local.apiserver.values.copies import copied
from crossfade_local.values.fields import mapping, objects, text

_CHANGEABLE: Final = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
    "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
    "(allow it to be set to 1 if it was previously negative)"
)
_MAX_INT32: Final = 2**31 - 1


def validate_pod_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from validate_metadata_update(new, old)
    yield from validate_pod_as_it_is(new)
    after, before = mapping(new, "spec"), mapping(old, "spec")
    for name in ("containers", "initContainers"):
        if len(objects(after, name)) != len(objects(before, name)):
            yield forbidden(f"spec.{name}", "pod updates may not add or remove containers")
            return
        yield from _validate_images(f"spec.{name}", objects(after, name))
    deadline_errors = list(_validate_deadline(after, before))
    yield from deadline_errors
    if deadline_errors and after.get("activeDeadlineSeconds") is not None:
        return
    yield from validate_added_tolerations(
        "spec.tolerations", objects(after, "tolerations"), objects(before, "tolerations")
    )
    yield from _validate_gates(objects(after, "schedulingGates"), objects(before, "schedulingGates"))
    munged = _with_allowed_changes_undone(after, before)
    if munged != before:
        said = f"pod updates may not change fields other than {_CHANGEABLE}\n{_difference(before, munged)}"
        yield forbidden("spec", said)


def validate_pod_status_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    """For writes of the status subresource."""
    yield from validate_metadata_update(new, old)
    status, before = mapping(new, "status"), mapping(old, "status")
    for index, condition in enumerate(objects(status, "conditions")):
        name = text(condition, "type")
        yield from each(f"metadata.conditions[{index}].Type", name, names.qualified_name(name))
    if text(before, "qosClass") and status.get("qosClass") != before.get("qosClass"):
        yield invalid("status.qosClass", text(status, "qosClass"), IMMUTABLE)
    policy = text(old, "spec", "restartPolicy")
    for name in ("containerStatuses", "initContainerStatuses"):
        yield from _validate_transitions(f"status.{name}", objects(status, name), objects(before, name), policy)
    for index, address in enumerate(objects(status, "podIPs")):
        yield from each(f"status.podIPs[{index}]", text(address, "ip"), names.ip_address(text(address, "ip")))


def _validate_images(field: str, containers: list[JsonObject]) -> Iterator[FieldError]:
    for index, container in enumerate(containers):
        image = text(container, "image")
        if not image:
            yield required(f"{field}[{index}].image")
        if image != image.strip():
            yield invalid(f"{field}[{index}].image", image, "must not have leading or trailing whitespace")


def _validate_deadline(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    field, after, before = (
        "spec.activeDeadlineSeconds",
        new.get("activeDeadlineSeconds"),
        old.get("activeDeadlineSeconds"),
    )
    if after is None:
        if before is not None:
            yield invalid(field, None, "must not update from a positive integer to nil value")
    elif not 0 <= after <= _MAX_INT32:
        yield from each(field, after, names.in_range(after, 0, _MAX_INT32))
    elif before is not None and before < after:
        yield invalid(field, after, "must be less than or equal to previous value")


def _validate_gates(new: list[JsonObject], old: list[JsonObject]) -> Iterator[FieldError]:
    known = {text(gate, "name") for gate in old}
    for index, gate in enumerate(new):
        name = text(gate, "name")
        if name not in known:
            said = f"only deletion is allowed, but found new scheduling gate '{name}'"
            yield forbidden(f"spec.schedulingGates[{index}].name", said)


def _with_allowed_changes_undone(new: JsonObject, old: JsonObject) -> JsonObject:
    spec = copied(new)
    for name in ("containers", "initContainers"):
        for container, before in zip(objects(spec, name), objects(old, name), strict=False):
            container["image"] = before.get("image")
    for name in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _restore(spec, old, name)
    seconds = old.get("terminationGracePeriodSeconds")
    if isinstance(seconds, int) and seconds < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        _restore(spec, old, "terminationGracePeriodSeconds")
    if objects(old, "schedulingGates"):
        # A gated pod was not scheduled yet: its node selector may become narrower.
        selector = mapping(old, "nodeSelector")
        if all(mapping(spec, "nodeSelector").get(key) == value for key, value in selector.items()):
            _restore(spec, old, "nodeSelector")
    return spec


def _restore(spec: JsonObject, old: JsonObject, name: str) -> None:
    if name in old:
        spec[name] = old[name]
    else:
        spec.pop(name, None)


def _difference(old: JsonObject, new: JsonObject) -> str:
    """The changed lines; Kubernetes prints a diff of Go structs here, whose layout is not part of the API."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    before, after = (Counter(orjson.dumps(spec, option=options).decode().splitlines()) for spec in (old, new))
    lines = [f"- {line}" for line in (before - after).elements()] + [
        f"+ {line}" for line in (after - before).elements()
    ]
    return "\n".join(lines) + "\n"


def _validate_transitions(
    field: str, new: list[JsonObject], old: list[JsonObject], policy: str
) -> Iterator[FieldError]:
    if policy == "Always":
        return
    running: defaultdict[str, int] = defaultdict(int)
    for status in new:
        if not isinstance(mapping(status, "state").get("terminated"), dict):
            running[text(status, "name")] += 1
    for index, status in enumerate(old):
        ended: Any = mapping(status, "state").get("terminated")
        if not isinstance(ended, dict) or (ended.get("exitCode") and policy == "OnFailure"):
            continue
        for _ in range(running[text(status, "name")]):
            yield forbidden(f"{field}[{index}].state", "may not be transitioned to non-terminated state")
