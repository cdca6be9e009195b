"""Validation of what a container takes of its pod's volumes."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.errors import FieldError, forbidden, invalid, not_found, required
from crossfade_local.apiserver.validation.shapes import one_of
from crossfade_local.apiserver.validation.volume_sources import relative_path
from crossfade_local.apiserver.validation.volumes import Volumes
from crossfade_local.values.fields import flag, objects, text

_PROPAGATION: Final = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE: Final = ("Disabled", "Enabled", "IfPossible")
_BLOCK_SOURCES: Final = ("persistentVolumeClaim", "ephemeral")


def validate_mounts(field: str, container: JsonObject, volumes: Volumes) -> Iterator[FieldError]:
    """`volumeMounts`; `field` is the container."""
    devices = _paths(container, "volumeDevices", "devicePath")
    taken: set[str] = set()
    for index, mount in enumerate(objects(container, "volumeMounts")):
        place = f"{field}.volumeMounts[{index}]"
        name, path = text(mount, "name"), text(mount, "mountPath")
        if not name:
            yield required(f"{place}.name")
        if name not in volumes:
            yield not_found(f"{place}.name", name)
        if not path:
            yield required(f"{place}.mountPath")
        if path in taken:
            yield invalid(f"{place}.mountPath", path, "must be unique")
        taken.add(path)
        if name in devices:
            yield invalid(f"{place}.name", name, "must not already exist in volumeDevices")
        if path in devices.values():
            yield invalid(f"{place}.mountPath", path, "must not already exist as a path in volumeDevices")
        yield from _validate_parts(place, mount, volumes.get(name, {}))
        # Kubernetes reports what follows at the list, without an index.
        yield from _validate_sub_paths(f"{field}.volumeMounts", place, mount)
        yield from _validate_modes(f"{field}.volumeMounts", mount, container)


def _paths(container: JsonObject, name: str, path: str) -> dict[str, str]:
    """The last path of each volume, which is the only one that Kubernetes compares."""
    return {text(use, "name"): text(use, path) for use in objects(container, name)}


def _validate_parts(field: str, mount: JsonObject, volume: JsonObject) -> Iterator[FieldError]:
    if isinstance(volume.get("image"), dict):
        for name in ("subPath", "subPathExpr"):
            if text(mount, name):
                yield invalid(f"{field}.{name}", text(mount, name), "not allowed in image volume sources")


def _validate_sub_paths(field: str, place: str, mount: JsonObject) -> Iterator[FieldError]:
    path, expression = text(mount, "subPath"), text(mount, "subPathExpr")
    if path:
        yield from relative_path(f"{field}.subPath", path)
    if expression:
        if path:
            yield invalid(f"{place}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
        yield from relative_path(f"{field}.subPathExpr", expression)


def _validate_modes(field: str, mount: JsonObject, container: JsonObject) -> Iterator[FieldError]:
    propagation, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    if propagation is not None:
        yield from one_of(f"{field}.mountPropagation", propagation, _PROPAGATION)
    if propagation == "Bidirectional" and not flag(container, "securityContext", "privileged"):
        said = "Bidirectional mount propagation is available only to privileged containers"
        yield forbidden(f"{field}.mountPropagation", said)
    if recursive is not None:
        yield from one_of(f"{field}.recursiveReadOnly", recursive, _RECURSIVE)
    if recursive not in ("Enabled", "IfPossible"):
        return
    if not flag(mount, "readOnly"):
        yield forbidden(f"{field}.recursiveReadOnly", "may only be specified when readOnly is true")
    if propagation not in (None, "None"):
        said = "may only be specified when mountPropagation is None or not specified"
        yield forbidden(f"{field}.recursiveReadOnly", said)


def validate_devices(field: str, container: JsonObject, volumes: Volumes) -> Iterator[FieldError]:
    """`volumeDevices`; `field` is the container."""
    mounts = _paths(container, "volumeMounts", "mountPath")
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(objects(container, "volumeDevices")):
        place = f"{field}.volumeDevices[{index}]"
        name, path = text(device, "name"), text(device, "devicePath")
        yield from _validate_device_volume(f"{place}.name", name, volumes, names)
        yield from _validate_device_path(f"{place}.devicePath", path, paths)
        if name in mounts:
            yield invalid(f"{place}.name", name, "must not already exist in volumeMounts")
        if path in mounts.values():
            yield invalid(f"{place}.devicePath", path, "must not already exist as a path in volumeMounts")
        names.add(name)
        paths.add(path)


def _validate_device_volume(field: str, name: str, volumes: Volumes, taken: set[str]) -> Iterator[FieldError]:
    if not name:
        yield required(field)
    elif name in taken:
        yield invalid(field, name, "must be unique")
    if name not in volumes:
        yield not_found(field, name)
    elif not any(isinstance(volumes[name].get(source), dict) for source in _BLOCK_SOURCES):
        said = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        yield invalid(field, name, said)


def _validate_device_path(field: str, path: str, taken: set[str]) -> Iterator[FieldError]:
    if not path:
        yield required(field)
    if path in taken:
        yield invalid(field, path, "must be unique")
    if ".." in path.split("/"):
        yield invalid(field, path, "can not contain backsteps ('..')")
