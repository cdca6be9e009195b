"""Validation of the security contexts of pods and containers."""

import re
from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    required,
    too_long,
)
from crossfade_local.apiserver.validation.shapes import one_of
from crossfade_local.apiserver.validation.volume_sources import relative_path
from crossfade_local.apiserver.values.gotext import GoStruct
from crossfade_local.values.fields import flag, mapping, objects, sequence, text

_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_CHOICES: Final = {
    "supplementalGroupsPolicy": ("Merge", "Strict"),
    "seLinuxChangePolicy": ("Recursive",),
}
_FS_GROUP_CHANGES: Final = ("Always", "OnRootMismatch")
_PROC_MOUNTS: Final = ("Default", "Unmasked")
_SYSCTL: Final = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_MOST_SYSCTL_CHARACTERS: Final = 253
_SHARED_SYSCTLS: Final = {
    "hostNetwork": re.compile(r"net\..*"),
    "hostIPC": re.compile(r"kernel\.(sem|shm(all|max|mni|_rmid_forced)|msg(max|mnb|mni))|fs\.mqueue\..*"),
}
_MOST_PATH_CHARACTERS: Final = 4095


def validate_pod_security(field: str, spec: JsonObject) -> Iterator[FieldError]:
    """`field` is the pod's spec."""
    context, place = mapping(spec, "securityContext"), f"{field}.securityContext"
    yield from _users(place, context, ("fsGroup", "runAsUser", "runAsGroup"))
    for index, group in enumerate(sequence(context, "supplementalGroups")):
        yield from each(f"{place}.supplementalGroups[{index}]", group, names.user_id(group))
    if flag(spec, "shareProcessNamespace") and flag(spec, "hostPID"):
        said = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{place}.shareProcessNamespace", True, said)
    yield from _sysctls(f"{place}.sysctls", context, spec)
    changes = context.get("fsGroupChangePolicy")
    if changes is not None:
        yield from one_of(f"{place}.fsGroupChangePolicy", changes, _FS_GROUP_CHANGES)
    yield from _seccomp(f"{place}.seccompProfile", context)
    yield from _app_armor(f"{place}.appArmorProfile", context)
    for name, supported in _CHOICES.items():
        if context.get(name) is not None:
            yield from one_of(f"{place}.{name}", context[name], supported)


def validate_host_users(field: str, spec: JsonObject) -> Iterator[FieldError]:
    """`field` is the pod's spec; Kubernetes writes two of the names so."""
    if spec.get("hostUsers") is not False:
        return
    for name, called in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if flag(spec, name):
            yield forbidden(f"{field}.{called}", "when `hostUsers` is false")


def validate_container_security(field: str, context: JsonObject, *, host_users: bool) -> Iterator[FieldError]:
    yield from _users(field, context, ("runAsUser", "runAsGroup"))
    mount = context.get("procMount")
    if mount is not None:
        yield from one_of(f"{field}.procMount", mount, _PROC_MOUNTS)
    if mount == "Unmasked" and host_users:
        yield invalid(f"{field}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp(f"{field}.seccompProfile", context)
    if context.get("allowPrivilegeEscalation") is False:
        if flag(context, "privileged"):
            said = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield invalid(field, _as_in_go(context), said)
        if "CAP_SYS_ADMIN" in sequence(context, "capabilities", "add"):
            said = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid(field, _as_in_go(context), said)
    yield from _app_armor(f"{field}.appArmorProfile", context)


def _users(field: str, context: JsonObject, fields: tuple[str, ...]) -> Iterator[FieldError]:
    for name in fields:
        value = context.get(name)
        if isinstance(value, int):
            yield from each(f"{field}.{name}", value, names.user_id(value))


def _sysctls(field: str, context: JsonObject, spec: JsonObject) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, sysctl in enumerate(objects(context, "sysctls")):
        place, name = f"{field}[{index}].name", text(sysctl, "name")
        if not name:
            yield required(place)
        elif len(name) > _MOST_SYSCTL_CHARACTERS or not re.fullmatch(_SYSCTL, name):
            said = f"must have at most {_MOST_SYSCTL_CHARACTERS} characters and match regex ^{_SYSCTL}$"
            yield invalid(place, name, said)
        elif name in taken:
            yield duplicate(place, name)
        taken.add(name)
        for shared, settings in _SHARED_SYSCTLS.items():
            if flag(spec, shared) and settings.fullmatch(_dotted(name)):
                yield invalid(place, name, f"may not be specified when '{shared}' is true")


def _dotted(sysctl: str) -> str:
    """The form `net/ipv4/conf/eth0.1` has its parts between slashes."""
    first = re.search("[./]", sysctl)
    return sysctl.translate(str.maketrans("./", "/.")) if first and first[0] == "/" else sysctl


def _seccomp(field: str, context: JsonObject) -> Iterator[FieldError]:
    profile = context.get("seccompProfile")
    if not isinstance(profile, dict):
        return
    kind, path = text(profile, "type"), profile.get("localhostProfile")
    yield from _profile_type(field, kind, "seccompProfile")
    if kind != "Localhost":
        if path is not None:
            value = GoStruct({"Type": kind, "LocalhostProfile": path})
            yield invalid(f"{field}.localhostProfile", value, "can only be set when seccomp type is Localhost")
    elif path is None:
        yield required(f"{field}.localhostProfile", "must be set when seccomp type is Localhost")
    else:
        yield from relative_path(f"{field}.localhostProfile", path)


def _app_armor(field: str, context: JsonObject) -> Iterator[FieldError]:
    profile = context.get("appArmorProfile")
    if not isinstance(profile, dict):
        return
    kind, name, place = text(profile, "type"), profile.get("localhostProfile"), f"{field}.localhostProfile"
    if kind != "Localhost":
        yield from _profile_type(field, kind, "appArmorProfile")
        if kind in _PROFILES and name is not None:
            yield invalid(place, name, "can only be set when AppArmor type is Localhost")
    elif not name:
        yield required(place, "must be set when AppArmor type is Localhost")
    else:
        if name != name.strip():
            yield invalid(place, name, "must not be padded with whitespace")
        if len(name) > _MOST_PATH_CHARACTERS:
            yield too_long(place, _MOST_PATH_CHARACTERS)


def _profile_type(field: str, kind: str, called: str) -> Iterator[FieldError]:
    if kind:
        yield from one_of(f"{field}.type", kind, _PROFILES)
    else:
        yield required(f"{field}.type", f"type is required when {called} is set")


_IN_GO: Final[dict[str, tuple[str, dict[str, str] | None]]] = {
    "capabilities": ("Capabilities", {"add": "Add", "drop": "Drop"}),
    "privileged": ("Privileged", None),
    "seLinuxOptions": ("SELinuxOptions", {"user": "User", "role": "Role", "type": "Type", "level": "Level"}),
    "windowsOptions": (
        "WindowsOptions",
        {
            "gmsaCredentialSpecName": "GMSACredentialSpecName",
            "gmsaCredentialSpec": "GMSACredentialSpec",
            "runAsUserName": "RunAsUserName",
            "hostProcess": "HostProcess",
        },
    ),
    "runAsUser": ("RunAsUser", None),
    "runAsGroup": ("RunAsGroup", None),
    "runAsNonRoot": ("RunAsNonRoot", None),
    "readOnlyRootFilesystem": ("ReadOnlyRootFilesystem", None),
    "allowPrivilegeEscalation": ("AllowPrivilegeEscalation", None),
    "procMount": ("ProcMount", None),
    "seccompProfile": ("SeccompProfile", {"type": "Type", "localhostProfile": "LocalhostProfile"}),
    "appArmorProfile": ("AppArmorProfile", {"type": "Type", "localhostProfile": "LocalhostProfile"}),
}


def _as_in_go(context: JsonObject) -> JsonObject:
    """A container's security context as Kubernetes prints it in errors: its internal type, with every field."""
    return GoStruct({called: _value_in_go(context.get(name), inner) for name, (called, inner) in _IN_GO.items()})


def _value_in_go(value: Any, inner: dict[str, str] | None) -> Any:
    if inner is None or not isinstance(value, dict):
        return value
    unset = "" if "level" in inner else None
    return GoStruct({called: value.get(name, unset) for name, called in inner.items()})
