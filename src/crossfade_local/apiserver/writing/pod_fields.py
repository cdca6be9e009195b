"""Fields of pods that are stored but change nothing here: whoever sets one gets a warning naming it.

What securityContext asks in vain is `unheeded.py`'s.
"""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.values.fields import at, objects, text

_HOW: Final = "the embedded cluster does not honour it: {consequence}"

HONOURED: Final = frozenset(
    {
        "activeDeadlineSeconds", "affinity", "automountServiceAccountToken", "containers", "dnsConfig", "dnsPolicy",
        "enableServiceLinks", "ephemeralContainers", "hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostUsers",
        "hostname", "initContainers", "nodeName", "nodeSelector", "overhead", "preemptionPolicy", "priority",
        "priorityClassName", "readinessGates", "resources", "restartPolicy", "runtimeClassName", "schedulerName",
        "schedulingGates", "securityContext", "serviceAccount", "serviceAccountName", "shareProcessNamespace",
        "subdomain", "terminationGracePeriodSeconds", "tolerations", "topologySpreadConstraints", "volumes",
    }
)  # fmt: skip
"""Fields of a pod's spec that do what they do in Kubernetes, or keep the pod from starting with the reason."""

NOT_HONOURED: Final[dict[str, str]] = {
    "hostnameOverride": "the pod's hostname is that of `hostname`, or its name",
    "os": "programs are those of this machine",
    "resourceClaims": "there are no devices to claim",
    "schedulingGroup": "pods are scheduled one by one",
    "setHostnameAsFQDN": "the pod's hostname is the short one",
}

UNTOLD: Final = frozenset({"imagePullSecrets"})
"""Without a meaning where images are names of programs: told in the documentation only."""

CONTAINER_HONOURED: Final = frozenset(
    {
        "args", "command", "env", "envFrom", "image", "lifecycle", "livenessProbe", "name", "ports", "readinessProbe",
        "resizePolicy", "resources", "restartPolicy", "securityContext", "startupProbe", "stdin", "stdinOnce",
        "targetContainerName", "terminationMessagePath", "terminationMessagePolicy", "tty", "volumeMounts",
        "workingDir",
    }
)  # fmt: skip

CONTAINER_NOT_HONOURED: Final[dict[str, str]] = {
    "restartPolicyRules": "the container's restartPolicy decides whatever its exit code",
    "volumeDevices": "there are no block devices",
}

CONTAINER_UNTOLD: Final = frozenset({"imagePullPolicy"})

_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")
_MOUNT: Final = {
    "mountPropagation": "mounts that come later stay where they are made",
    "recursiveReadOnly": "mounts below it keep their own mode",
}
_WITHOUT_EFFECT: Final = ("", "None", "Disabled", "linux")


def unhonoured_fields(field: str, spec: JsonObject) -> Iterator[str]:
    """`field` is the path of the pod's spec."""
    yield from _told(field, spec, NOT_HONOURED)
    for key in _CONTAINERS:
        for index, container in enumerate(objects(spec, key)):
            place = f"{field}.{key}[{index}]"
            yield from _told(place, container, CONTAINER_NOT_HONOURED)
            for number, mount in enumerate(objects(container, "volumeMounts")):
                yield from _told(f"{place}.volumeMounts[{number}]", mount, _MOUNT)
    for index, volume in enumerate(objects(spec, "volumes")):
        if text(volume, "emptyDir", "medium").startswith("HugePages"):
            consequence = _HOW.format(consequence="the directory is on disk")
            yield f"{field}.volumes[{index}].emptyDir.medium: {consequence}"


def _told(field: str, value: JsonObject, consequences: dict[str, str]) -> Iterator[str]:
    for name, consequence in consequences.items():
        if _asks_for_something(at(value, name)):
            yield f"{field}.{name}: {_HOW.format(consequence=consequence)}"


def _asks_for_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_asks_for_something, value.values()))
    return bool(value) and value not in _WITHOUT_EFFECT
