"""The controls of the level baseline. Each is a function of a pod that says what it violates, or None."""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.security.pod_security.pod import (
    Pod,
    Violation,
    containers_text,
    contexts,
    everyone,
    named,
    names_where,
    plural,
    quote_all,
    setters_text,
)
from crossfade_local.apiserver.values.gotext import quoted
from crossfade_local.values.fields import at, flag, mapping, number, objects, sequence, text

_APP_ARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER: Final = "container.seccomp.security.alpha.kubernetes.io/"
_DEFAULT_CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
        "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
_SELINUX_TYPES: Final = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_SELINUX_TYPES_1_31: Final = _SELINUX_TYPES | {"container_engine_t"}
_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
    }
)  # fmt: skip
_SYSCTLS_1_27: Final = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_1_29: Final = _SYSCTLS_1_27 | {
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
_SYSCTLS_1_32: Final = _SYSCTLS_1_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
SECCOMP_TYPES: Final = frozenset({"RuntimeDefault", "Localhost"})


def app_armor(pod: Pod) -> Violation | None:
    found = sorted(
        f"{key}={quoted(value)}"
        for key, value in pod.annotations.items()
        if key.startswith(_APP_ARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    reason = plural("forbidden AppArmor profile", found)
    return Violation(reason, ", ".join(found)) if found else None


def app_armor_1_30(pod: Pod) -> Violation | None:
    """The fields too."""
    setters = setters_text(pod=_has_bad_app_armor(pod.security), containers=names_where(pod, _has_bad_app_armor))
    bad = sorted({text(one, "appArmorProfile", "type") for one in everyone(pod) if _has_bad_app_armor(one)})
    told = [f"{setters} must not set AppArmor profile type to {quote_all(bad)}"] if setters else []
    if by_annotation := app_armor(pod):
        told.append(by_annotation.detail)
    return Violation(plural("forbidden AppArmor profile", told), ", ".join(told)) if told else None


def _has_bad_app_armor(context: JsonObject) -> bool:
    return text(context, "appArmorProfile", "type") not in {"", *SECCOMP_TYPES}


def capabilities(pod: Pod) -> Violation | None:
    bad: set[str] = set()
    names = []
    for name, context in contexts(pod):
        added = set(sequence(context, "capabilities", "add")) - _DEFAULT_CAPABILITIES
        if added:
            names.append(name)
            bad |= added
    return (
        Violation(
            "non-default capabilities",
            f"{containers_text(names)} must not include {quote_all(sorted(bad))} in securityContext.capabilities.add",
        )
        if names
        else None
    )


def host_namespaces(pod: Pod) -> Violation | None:
    found = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if flag(pod.spec, key)]
    return Violation("host namespaces", ", ".join(found)) if found else None


def host_path_volumes(pod: Pod) -> Violation | None:
    found = [named(volume) for volume in objects(pod.spec, "volumes") if volume.get("hostPath") is not None]
    return Violation("hostPath volumes", f"{plural('volume', found)} {quote_all(found)}") if found else None


def host_ports(pod: Pod) -> Violation | None:
    ports: set[str] = set()
    names = []
    for container in pod.containers:
        found = {str(number(port, "hostPort")) for port in objects(container, "ports")} - {"0"}
        if found:
            names.append(named(container))
            ports |= found
    if not names:
        return None
    use = plural("uses", names, "use")
    return Violation(
        "hostPort", f"{containers_text(names)} {use} {plural('hostPort', ports)} {', '.join(sorted(ports))}"
    )


def host_probes(pod: Pod) -> Violation | None:
    names: set[str] = set()
    hosts: set[str] = set()
    for container in pod.containers:
        handlers = [mapping(container, probe) for probe in _PROBES]
        handlers += [mapping(container, "lifecycle", hook) for hook in ("postStart", "preStop")]
        found = {text(one, kind, "host") for one in handlers for kind in ("httpGet", "tcpSocket")} - {""}
        if found:
            names.add(named(container))
            hosts |= found
    if not names:
        return None
    reason = "probe or lifecycle host"
    use = plural("uses", names, "use")
    return Violation(
        reason, f"{containers_text(sorted(names))} {use} {plural(reason, hosts)} {quote_all(sorted(hosts))}"
    )


def privileged(pod: Pod) -> Violation | None:
    names = names_where(pod, lambda context: flag(context, "privileged"))
    detail = f"{containers_text(names)} must not set securityContext.privileged=true"
    return Violation("privileged", detail) if names else None


def proc_mount(pod: Pod) -> Violation | None:
    names = names_where(pod, lambda context: text(context, "procMount") not in ("", "Default"))
    bad = sorted({text(context, "procMount") for name, context in contexts(pod) if name in names} - {""})
    detail = f"{containers_text(names)} must not set securityContext.procMount to {quote_all(bad)}"
    return Violation("procMount", detail) if names else None


def selinux(pod: Pod) -> Violation | None:
    return _selinux(pod, _SELINUX_TYPES)


def selinux_1_31(pod: Pod) -> Violation | None:
    return _selinux(pod, _SELINUX_TYPES_1_31)


def _selinux(pod: Pod, allowed: frozenset[str]) -> Violation | None:
    def is_bad(context: JsonObject) -> bool:
        options = mapping(context, "seLinuxOptions")
        return text(options, "type") not in allowed or bool(text(options, "user") or text(options, "role"))

    names = names_where(pod, is_bad)
    setters = setters_text(pod=is_bad(pod.security), containers=names)
    if not setters:
        return None
    types = sorted({text(context, "seLinuxOptions", "type") for context in everyone(pod)} - allowed)
    data = [f"{plural('type', types)} {quote_all(types)}"] if types else []
    data += [
        f"{key} may not be set"
        for key in ("user", "role")
        if any(text(context, "seLinuxOptions", key) for context in everyone(pod))
    ]
    return Violation("seLinuxOptions", f"{setters} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}")


def seccomp_annotations(pod: Pod) -> Violation | None:
    """Until 1.18 the profile was named by annotations."""
    keys = [_SECCOMP_POD, *(_SECCOMP_CONTAINER + named(container) for container in pod.containers)]
    found = sorted(
        f"{key}={quoted(value)}"
        for key in dict.fromkeys(keys)
        if (value := pod.annotations.get(key)) is not None and not _is_seccomp_annotation(value)
    )
    detail = f"forbidden {plural('annotation', found)} {', '.join(found)}"
    return Violation("seccompProfile", detail) if found else None


def _is_seccomp_annotation(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


def seccomp(pod: Pod) -> Violation | None:
    return bad_seccomp(pod)


def bad_seccomp(pod: Pod) -> Violation | None:
    """Somebody asks for a profile that is neither the runtime's nor the machine's."""
    names = names_where(pod, _has_bad_seccomp)
    setters = setters_text(pod=_has_bad_seccomp(pod.security), containers=names)
    bad = sorted({text(one, "seccompProfile", "type") for one in everyone(pod) if _has_bad_seccomp(one)})
    detail = f"{setters} must not set securityContext.seccompProfile.type to {quote_all(bad)}"
    return Violation("seccompProfile", detail) if setters else None


def _has_bad_seccomp(context: JsonObject) -> bool:
    profile = at(context, "seccompProfile")
    return profile is not None and text(profile, "type") not in SECCOMP_TYPES


def sysctls(pod: Pod) -> Violation | None:
    return _sysctls(pod, _SYSCTLS)


def sysctls_1_27(pod: Pod) -> Violation | None:
    return _sysctls(pod, _SYSCTLS_1_27)


def sysctls_1_29(pod: Pod) -> Violation | None:
    return _sysctls(pod, _SYSCTLS_1_29)


def sysctls_1_32(pod: Pod) -> Violation | None:
    return _sysctls(pod, _SYSCTLS_1_32)


def _sysctls(pod: Pod, allowed: frozenset[str]) -> Violation | None:
    found = [name for one in objects(pod.security, "sysctls") if (name := named(one)) not in allowed]
    return Violation("forbidden sysctls", ", ".join(found)) if found else None


def windows_host_process(pod: Pod) -> Violation | None:
    names = names_where(pod, lambda context: flag(context, "windowsOptions", "hostProcess"))
    setters = setters_text(pod=flag(pod.security, "windowsOptions", "hostProcess"), containers=names)
    detail = f"{setters} must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", detail) if setters else None
