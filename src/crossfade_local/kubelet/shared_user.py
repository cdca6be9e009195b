"""What a pod's users come to where all containers are one user: pure.

Groups are not told: what `fsGroup` and `supplementalGroups` open is open to that user anyway.
"""

from collections.abc import Container, Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet.environment import all_containers

_IDS: Final = ("runAsUser", "runAsGroup")
_ROOT: Final = 0
"""What the one user is to itself, inside."""


def users_without_effect(pod_spec: JsonObject, provided: Container[int]) -> str:
    """What to tell the pod's author; empty where no user was asked for in vain. Programs that are to run as one of the
    uids of `provided` get what they want it for by other means."""
    fields = [*_asked_in_vain("spec", pod_spec, provided)]
    for container in all_containers(pod_spec):
        fields += _asked_in_vain(f'container "{container["name"]}"', container, provided)
    if not fields:
        return ""
    return (
        f"all containers of this cluster are one user, 0 to themselves: {', '.join(fields)} "
        f"{'has' if len(fields) == 1 else 'have'} no effect, and one container may read what belongs to another. Start "
        "the cluster as root, or give yourself subordinate ids (`crossfade doctor` says how)"
    )


def _asked_in_vain(where: str, holder: JsonObject, provided: Container[int]) -> Iterator[str]:
    context = holder.get("securityContext") or {}
    for name in _IDS:
        wanted = context.get(name)
        if wanted not in (None, _ROOT) and not (name == "runAsUser" and wanted in provided):
            yield f"{where}: securityContext.{name} {wanted}"
    if context.get("runAsNonRoot") and not context.get("runAsUser"):
        yield f"{where}: securityContext.runAsNonRoot"
