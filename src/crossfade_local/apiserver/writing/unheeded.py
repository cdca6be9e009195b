"""Warnings for fields of securityContext that the embedded cluster's kubelet cannot carry out."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.values.fields import at, flag, mapping, objects, sequence, text
from crossfade_local.withheld import MACHINE_CAPABILITIES

_NOT_DONE: Final = {
    "seLinuxOptions": "the embedded cluster sets no SELinux context",
    "appArmorProfile": "the embedded cluster loads no AppArmor profile",
    "windowsOptions": "the embedded cluster runs no Windows containers",
}
_SYSCTLS: Final = "the embedded cluster leaves the kernel's settings of a pod as they are"
_PRIVILEGED: Final = "the container gets no capability that reaches this machine (SYS_ADMIN, for one), and no device"
_WITHHELD: Final = "reaches this machine, and no container gets it"
_UNMASKED: Final = "the embedded cluster masks /proc as by default"
_HOST_USERS: Final = "the embedded cluster gives pods no user namespace of their own"


def unheeded_security(field: str, spec: JsonObject) -> Iterator[str]:
    """`field` is the path of the pod's spec."""
    if at(spec, "hostUsers") is False:
        yield f"{field}.hostUsers: {_HOST_USERS}"
    context = mapping(spec, "securityContext")
    yield from _not_done(f"{field}.securityContext", context)
    if sequence(context, "sysctls"):
        yield f"{field}.securityContext.sysctls: {_SYSCTLS}"
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(objects(spec, key)):
            place = f"{field}.{key}[{index}].securityContext"
            yield from _of_container(place, mapping(container, "securityContext"))


def _of_container(place: str, context: JsonObject) -> Iterator[str]:
    yield from _not_done(place, context)
    if flag(context, "privileged"):
        yield f"{place}.privileged: {_PRIVILEGED}"
    for index, name in enumerate(sequence(context, "capabilities", "add")):
        if str(name).upper().removeprefix("CAP_") in MACHINE_CAPABILITIES:
            yield f"{place}.capabilities.add[{index}]: {name} {_WITHHELD}"
    if text(context, "procMount") not in ("", "Default"):
        yield f"{place}.procMount: {_UNMASKED}"


def _not_done(place: str, context: JsonObject) -> Iterator[str]:
    for key, consequence in _NOT_DONE.items():
        if mapping(context, key) and text(context, key, "type") != "Unconfined":
            yield f"{place}.{key}: {consequence}"
