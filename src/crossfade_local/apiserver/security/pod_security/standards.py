"""Which controls a standard has, in the order in which Kubernetes tells of them."""

from collections.abc import Callable
from typing import Final, NamedTuple

from crossfade_local.apiserver.security.pod_security import baseline, restricted
from crossfade_local.apiserver.security.pod_security.pod import Pod, Violation
from crossfade_local.apiserver.security.pod_security.policy import BASELINE, PRIVILEGED, Standard

Check = Callable[[Pod], Violation | None]


class Control(NamedTuple):
    """`versions` are checks by the minor version of Kubernetes 1 that they begin with, rising."""

    name: str
    versions: tuple[tuple[int, Check], ...]
    replaces: str = ""
    """A control of baseline that this stricter one makes needless."""

    def check_at(self, minor: int) -> Check | None:
        found = None
        for begins, check in self.versions:
            if begins <= minor:
                found = check
        return found


_BASELINE: Final = (
    Control("appArmorProfile", ((0, baseline.app_armor), (30, baseline.app_armor_1_30))),
    Control("capabilities_baseline", ((0, baseline.capabilities),)),
    Control("hostNamespaces", ((0, baseline.host_namespaces),)),
    Control("hostPathVolumes", ((0, baseline.host_path_volumes),)),
    Control("hostPorts", ((0, baseline.host_ports),)),
    Control("hostProbesAndHostLifecycle", ((34, baseline.host_probes),)),
    Control("privileged", ((0, baseline.privileged),)),
    Control("procMount", ((0, baseline.proc_mount),)),
    Control("seLinuxOptions", ((0, baseline.selinux), (31, baseline.selinux_1_31))),
    Control("seccompProfile_baseline", ((0, baseline.seccomp_annotations), (19, baseline.seccomp))),
    Control(
        "sysctls",
        (
            (0, baseline.sysctls),
            (27, baseline.sysctls_1_27),
            (29, baseline.sysctls_1_29),
            (32, baseline.sysctls_1_32),
        ),
    ),
    Control("windowsHostProcess", ((0, baseline.windows_host_process),)),
)
_RESTRICTED: Final = (
    Control(
        "allowPrivilegeEscalation",
        ((8, restricted.privilege_escalation), (25, restricted.privilege_escalation_1_25)),
    ),
    Control(
        "capabilities_restricted",
        ((22, restricted.capabilities), (25, restricted.capabilities_1_25)),
        replaces="capabilities_baseline",
    ),
    Control("restrictedVolumes", ((0, restricted.volumes),), replaces="hostPathVolumes"),
    Control("runAsNonRoot", ((0, restricted.non_root),)),
    Control("runAsUser", ((23, restricted.user),)),
    Control(
        "seccompProfile_restricted",
        ((19, restricted.seccomp), (25, restricted.seccomp_1_25)),
        replaces="seccompProfile_baseline",
    ),
)


def violations(pod: Pod, standard: Standard) -> list[Violation]:
    return [found for check in _checks(standard) if (found := check(pod))]


def reasons(found: list[Violation]) -> str:
    return ", ".join(one.reason for one in found)


def details(found: list[Violation]) -> str:
    return ", ".join(f"{one.reason} ({one.detail})" if one.detail else one.reason for one in found)


def _checks(standard: Standard) -> list[Check]:
    if standard.level == PRIVILEGED:
        return []
    stricter = () if standard.level == BASELINE else _RESTRICTED
    replaced = {control.replaces for control in stricter if control.check_at(standard.version)}
    wanted = (*(control for control in _BASELINE if control.name not in replaced), *stricter)
    return [check for control in wanted if (check := control.check_at(standard.version))]
