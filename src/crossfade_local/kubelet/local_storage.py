"""Whether a pod has written more to this machine than its limits allow, and what Kubernetes says of it."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.pod_resources import amount, pod_amounts, spelled
from crossfade_local.quantity import canonical
from crossfade_local.values.fields import at, mapping, objects, text

EVICTED: Final = "Evicted"
# As often as Kubernetes' kubelet looks.
_MEASURE_S: Final = 10.0
_STORAGE: Final = "ephemeral-storage"
# Each ends with a space in Kubernetes too.
_VOLUME: Final = 'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
_POD: Final = "Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "
_CONTAINER: Final = 'Container {name} exceeded its local ephemeral storage limit "{limit}". '


class Used(NamedTuple):
    """In bytes, by name."""

    volumes: Mapping[str, int]
    """Of the kind emptyDir, on disk."""
    containers: Mapping[str, int]
    """What they wrote outside of volumes, and their logs."""


class Written(NamedTuple):
    """Where a container writes, besides volumes."""

    logs: Path
    root: Path | None
    """A file system of its own; None while it does not run."""


def is_limited(pod: JsonObject) -> bool:
    spec = mapping(pod, "spec")
    volumes = any(at(one, "emptyDir", "sizeLimit") for one in objects(spec, "volumes") if is_on_disk(one))
    return volumes or _STORAGE in pod_amounts(pod, "limits")


def is_on_disk(volume: JsonObject) -> bool:
    """Of an emptyDir."""
    return "emptyDir" in volume and text(volume, "emptyDir", "medium") != "Memory"


def excess(pod: JsonObject, used: Used) -> str:
    """Why the pod is to be evicted; empty while it is not."""
    for volume in objects(pod, "spec", "volumes"):
        limit = at(volume, "emptyDir", "sizeLimit")
        if limit and 0 < amount(limit) < used.volumes.get(volume["name"], 0):
            return _VOLUME.format(name=volume["name"], limit=canonical(limit))
    total = pod_amounts(pod, "limits").get(_STORAGE)
    if total is not None and sum(used.volumes.values()) + sum(used.containers.values()) > total:
        return _POD.format(limit=spelled(_STORAGE, total))
    for container in objects(pod, "spec", "containers"):
        limit = at(container, "resources", "limits", _STORAGE)
        if limit and amount(limit) < used.containers.get(container["name"], 0):
            return _CONTAINER.format(name=container["name"], limit=canonical(limit))
    return ""


async def exceeded(
    pod: JsonObject, volumes: Mapping[str, Path], containers: Callable[[], Mapping[str, Written]]
) -> str:
    """Looks again and again; returns why the pod is to be evicted."""
    while True:
        await asyncio.sleep(_MEASURE_S)
        if message := excess(pod, await _used(volumes, containers())):
            return message


async def _used(volumes: Mapping[str, Path], containers: Mapping[str, Written]) -> Used:
    sizes = await _measure((*volumes.values(), *(one.logs for one in containers.values())))
    return Used(
        {name: sizes.get(path, 0) for name, path in volumes.items()},
        {name: sizes.get(one.logs, 0) + _size_of_system(one.root) for name, one in containers.items()},
    )


def _size_of_system(root: Path | None) -> int:
    with suppress(OSError):
        if root is not None:
            found = os.statvfs(root)
            return (found.f_blocks - found.f_bfree) * found.f_frsize
    return 0


async def _measure(directories: Iterable[Path]) -> dict[Path, int]:
    """What each takes on disk. One that cannot be read to its end counts with what was found."""
    paths = [str(one) for one in directories]
    if not paths:
        return {}
    # Names in there are the containers' own: du follows no link that is put in a directory's place meanwhile.
    command = ("du", "--summarize", "--block-size=1", "--one-file-system", "--", *paths)
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    found = (line.split("\t", 1) for line in done.stdout.splitlines())
    return {Path(path): int(size) for size, path in found}
