"""Keeps containers within `resources.limits` for cpu and memory, where control groups can be made for them."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.cgroups import Group, Limits
from crossfade_local.namespaces import processes_in
from crossfade_local.pod_resources import Amounts, amounts, containers_of, pod_amounts
from crossfade_local.values.fields import mapping, objects

_KINDS: Final = ("cpu", "memory")


class Limiter(NamedTuple):
    """`problem` is why there is no group."""

    group: Group | None = None
    problem: str = ""

    def for_pod(self, pod: JsonObject) -> Group | None:
        """Its group, within its limits. Raises OSError."""
        group = self.group_of(pod)
        if group is not None:
            group.limit(pod_limits(pod))
        return group

    def group_of(self, pod: JsonObject) -> Group | None:
        """Made if it is not there; None where nothing has a limit, or no group can be made. Raises OSError."""
        if self.group is None or not any(limited_fields(pod["spec"])):
            return None
        group = self.group.child(f"pod{pod['metadata']['uid']}")
        group.make()
        return group

    def complaint(self, spec: JsonObject) -> str:
        """What becomes of the limits where they cannot be kept; empty when they are."""
        fields = ", ".join(limited_fields(spec))
        if self.group is not None or not fields:
            return ""
        return (
            f"{fields}: programs are not kept within these limits, which count for scheduling and quotas alone: "
            f"{self.problem}; run the cluster as root, where control groups with cpu and memory can be written"
        )


def container_limits(container: JsonObject) -> Limits:
    return _limits(amounts(mapping(container, "resources", "limits")))


def pod_limits(pod: JsonObject) -> Limits:
    """Of all its containers together: a kind of which one of them has no limit has none."""
    spec = mapping(pod, "spec")
    containers = [amounts(mapping(one, "resources", "limits")) for one in containers_of(spec)]
    own = amounts(mapping(spec, "resources", "limits"))
    total = pod_amounts(pod, "limits")
    bounded = {kind for kind in _KINDS if own.get(kind) or all(one.get(kind) for one in containers)}
    return _limits({kind: total[kind] for kind in bounded if kind in total})


def limited_fields(spec: JsonObject) -> Iterator[str]:
    """The paths of limits that are kept by control groups."""
    if _binds(spec):
        yield "spec.resources.limits"
    for key in ("initContainers", "containers"):
        for index, container in enumerate(objects(spec, key)):
            if _binds(container):
                yield f"spec.{key}[{index}].resources.limits"


def _binds(holder: JsonObject) -> bool:
    return container_limits(holder) != Limits()


def _limits(values: Amounts) -> Limits:
    """Zero is no limit, as for container engines."""
    memory = values.get("memory")
    return Limits(values.get("cpu") or None, int(memory) if memory else None)


def adopt_all(group: Group, mount: int) -> None:
    """The processes in this mount namespace, which are a container's, and those that they start meanwhile. Raises
    OSError."""
    known: set[int] = set()
    while new := set(processes_in(mount, "mnt")) - known:
        group.adopt(new)
        known |= new
