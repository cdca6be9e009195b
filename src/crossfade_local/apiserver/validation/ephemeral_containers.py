"""Validation of what is added to a running pod: ephemeral containers."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    each,
    forbidden,
    not_found,
    required,
)
from crossfade_local.apiserver.validation.metadata import validate_metadata_update
from crossfade_local.values.fields import mapping, objects, text

_NOT_FOR_THEM: Final = (
    "lifecycle", "livenessProbe", "ports", "readinessProbe", "resizePolicy", "resources", "restartPolicy",
    "restartPolicyRules", "startupProbe",
)  # fmt: skip


def validate_ephemeral_containers(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    """Of the subresource `ephemeralcontainers`: they may only be added."""
    yield from validate_metadata_update(new, old)
    spec, field = mapping(new, "spec"), "spec.ephemeralContainers"
    taken = {text(one, "name") for kind in ("initContainers", "containers") for one in objects(spec, kind)}
    targets = {text(one, "name") for one in objects(spec, "containers")}
    for index, container in enumerate(objects(spec, "ephemeralContainers")):
        yield from _validate(f"{field}[{index}]", container, taken, targets)
        taken.add(text(container, "name"))
    after = {text(one, "name"): one for one in objects(spec, "ephemeralContainers")}
    for one in objects(old, "spec", "ephemeralContainers"):
        name = text(one, "name")
        if name not in after:
            yield forbidden(field, f'existing ephemeral containers "{name}" may not be removed\n')
        elif after[name] != one:
            yield forbidden(field, f'existing ephemeral containers "{name}" may not be changed\n')


def _validate(field: str, container: JsonObject, taken: set[str], targets: set[str]) -> Iterator[FieldError]:
    name = text(container, "name")
    if not name:
        yield required(f"{field}.name")
    else:
        yield from each(f"{field}.name", name, names.dns_label(name))
    if name in taken:
        yield duplicate(f"{field}.name", name)
    if not text(container, "image"):
        yield required(f"{field}.image")
    target = text(container, "targetContainerName")
    if target and target not in targets:
        yield not_found(f"{field}.targetContainerName", target)
    for other in _NOT_FOR_THEM:
        if container.get(other):
            yield forbidden(f"{field}.{other}", "cannot be set for an Ephemeral Container")
    for position, mount in enumerate(objects(container, "volumeMounts")):
        for inner in ("subPath", "subPathExpr"):
            if text(mount, inner):
                place = f"{field}.volumeMounts[{position}].{inner}"
                yield forbidden(place, "cannot be set for an Ephemeral Container")
