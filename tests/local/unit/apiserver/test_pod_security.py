"""The Pod Security Standards, control by control, in Kubernetes' words."""

from typing import Any

import pytest

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.security.pod_security.pod import Pod
from crossfade_local.apiserver.security.pod_security.policy import LATEST, BadLabel, Standard, policy_of
from crossfade_local.apiserver.security.pod_security.standards import details, reasons, violations

GOOD: JsonObject = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(*containers: JsonObject, annotations: JsonObject | None = None, **spec: Any) -> Pod:
    named = [{"name": f"c{index}", **one} for index, one in enumerate(containers or ({},))]
    return Pod({"annotations": annotations or {}}, {"containers": named, **spec})


def of_pod(**security: Any) -> Pod:
    return pod(securityContext=security)


def with_context(*contexts: JsonObject) -> Pod:
    return pod(*({"securityContext": one} for one in contexts))


def told(found: Pod, level: str, version: int = LATEST) -> str:
    return details(violations(found, Standard(level, version)))


BASELINE = [
    (pod(), ""),
    (pod(hostNetwork=True, hostIPC=True, hostPID=False), "host namespaces (hostNetwork=true, hostIPC=true)"),
    (pod(volumes=[{"name": "a", "hostPath": {}}]), 'hostPath volumes (volume "a")'),
    (
        pod(volumes=[{"name": "a", "hostPath": {}}, {"name": "e", "emptyDir": {}}, {"name": "b", "hostPath": {}}]),
        'hostPath volumes (volumes "a", "b")',
    ),
    (pod({"ports": [{"hostPort": 80}, {"hostPort": 0}]}), 'hostPort (container "c0" uses hostPort 80)'),
    (
        pod({"ports": [{"hostPort": 80}]}, {"ports": [{"hostPort": 81}]}, {"ports": [{"containerPort": 1}]}),
        'hostPort (containers "c0", "c1" use hostPorts 80, 81)',
    ),
    (
        pod({"livenessProbe": {"httpGet": {"host": "h"}}, "lifecycle": {"preStop": {"tcpSocket": {"host": "g"}}}}),
        'probe or lifecycle host (container "c0" uses probe or lifecycle hosts "g", "h")',
    ),
    (with_context({"privileged": True}), 'privileged (container "c0" must not set securityContext.privileged=true)'),
    (
        with_context({"capabilities": {"add": ["SYS_TIME", "CHOWN", "BPF"]}}, {"capabilities": {"add": ["KILL"]}}),
        (
            'non-default capabilities (container "c0" must not include "BPF", "SYS_TIME" in '
            "securityContext.capabilities.add)"
        ),
    ),
    (
        with_context({"procMount": "Unmasked"}, {"procMount": "Default"}),
        'procMount (container "c0" must not set securityContext.procMount to "Unmasked")',
    ),
    (
        pod({"securityContext": {"seLinuxOptions": {"user": "u"}}}, securityContext={"seLinuxOptions": {"type": "t"}}),
        (
            'seLinuxOptions (pod and container "c0" set forbidden securityContext.seLinuxOptions: type "t"; '
            "user may not be set)"
        ),
    ),
    (of_pod(seLinuxOptions={"type": "container_engine_t"}), ""),
    (
        of_pod(seccompProfile={"type": "Unconfined"}),
        'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
    (
        of_pod(sysctls=[{"name": "net.ipv4.tcp_rmem"}, {"name": "kernel.msgmax"}]),
        "forbidden sysctls (kernel.msgmax)",
    ),
    (
        of_pod(windowsOptions={"hostProcess": True}),
        "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
    ),
    (
        of_pod(appArmorProfile={"type": "Unconfined"}),
        'forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")',
    ),
    (
        pod(annotations={"container.apparmor.security.beta.kubernetes.io/c0": "unconfined", "other": "x"}),
        'forbidden AppArmor profile (container.apparmor.security.beta.kubernetes.io/c0="unconfined")',
    ),
]
RESTRICTED = [
    (with_context(GOOD), ""),
    (
        pod(),
        (
            'allowPrivilegeEscalation != false (container "c0" must set '
            "securityContext.allowPrivilegeEscalation=false), "
            'unrestricted capabilities (container "c0" must set securityContext.capabilities.drop=["ALL"]), '
            'runAsNonRoot != true (pod or container "c0" must set securityContext.runAsNonRoot=true), '
            'seccompProfile (pod or container "c0" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
            '"Localhost")'
        ),
    ),
    (
        with_context({**GOOD, "capabilities": {"drop": ["ALL"], "add": ["NET_RAW", "NET_BIND_SERVICE"]}}),
        'unrestricted capabilities (container "c0" must not include "NET_RAW" in securityContext.capabilities.add)',
    ),
    (
        with_context({**GOOD, "runAsUser": 0}, {**GOOD, "runAsNonRoot": False}),
        (
            'runAsNonRoot != true (container "c1" must not set securityContext.runAsNonRoot=false), '
            'runAsUser=0 (container "c0" must not set runAsUser=0)'
        ),
    ),
    (
        pod({"securityContext": GOOD}, volumes=[{"name": "a", "hostPath": {}}, {"name": "b", "nfs": {}}]),
        'restricted volume types (volumes "a", "b" use restricted volume types "hostPath", "nfs")',
    ),
    (
        pod({"securityContext": GOOD}, volumes=[{"name": "a", "secret": {}}, {"name": "b"}]),
        'restricted volume types (volume "b" uses restricted volume type "unknown")',
    ),
    (
        pod(
            {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}},
            securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "Localhost"}},
        ),
        "",
    ),
    (
        pod(
            {"securityContext": GOOD}, ephemeralContainers=[{"name": "debug", "securityContext": {"privileged": True}}]
        ),
        (
            'privileged (container "debug" must not set securityContext.privileged=true), '
            'allowPrivilegeEscalation != false (container "debug" must set '
            'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "debug" must set '
            'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "debug" must set '
            'securityContext.runAsNonRoot=true), seccompProfile (pod or container "debug" must set '
            'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
        ),
    ),
    (pod({"securityContext": {"runAsNonRoot": True}}, os={"name": "windows"}), ""),
]


@pytest.mark.parametrize(("found", "text"), BASELINE)
def test_baseline(found: Pod, text: str) -> None:
    assert told(found, "baseline") == text
    assert told(found, "privileged") == ""


@pytest.mark.parametrize(("found", "text"), RESTRICTED)
def test_restricted(found: Pod, text: str) -> None:
    assert told(found, "restricted") == text


@pytest.mark.parametrize(
    ("found", "level", "versions"),
    [
        (with_context({**GOOD, "runAsUser": 0}), "restricted", (22, 23)),
        (of_pod(sysctls=[{"name": "net.ipv4.tcp_wmem"}]), "baseline", (32, 31)),
        (of_pod(seccompProfile={"type": "Unconfined"}), "baseline", (18, 19)),
        (pod({"readinessProbe": {"httpGet": {"host": "h"}}}), "baseline", (33, 34)),
        (with_context({key: GOOD[key] for key in GOOD if key != "capabilities"}), "restricted", (21, 22)),
    ],
)
def test_a_version_has_the_controls_of_its_time(found: Pod, level: str, versions: tuple[int, int]) -> None:
    allowing, forbidding = versions
    assert told(found, level, allowing) == ""
    assert told(found, level, forbidding) != ""


def test_before_restricted_has_a_control_of_its_own_that_of_baseline_holds() -> None:
    found = with_context({**GOOD, "capabilities": {"add": ["BPF"]}})
    assert reasons(violations(found, Standard("restricted", 21))) == "non-default capabilities"
    assert reasons(violations(found, Standard("restricted", 22))) == "unrestricted capabilities"


def test_old_annotations_of_seccomp() -> None:
    found = pod(annotations={"seccomp.security.alpha.kubernetes.io/pod": "unconfined"})
    text = 'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")'
    assert told(found, "baseline", 18) == text


@pytest.mark.parametrize(
    ("labels", "standards", "bad"),
    [
        ({}, ("privileged:latest",) * 3, ()),
        ({"enforce": "baseline", "enforce-version": "v1.24"}, ("baseline:v1.24", *("privileged:latest",) * 2), ()),
        ({"warn": "restricted", "audit": "baseline"},
         ("privileged:latest", "baseline:latest", "restricted:latest"), ()),
        ({"enforce": "strict"}, ("restricted:latest", *("privileged:latest",) * 2),
         (("enforce", "strict", "must be one of privileged, baseline, restricted"),)),
        ({"warn": "", "warn-version": "1.2"}, ("privileged:latest",) * 3,
         (("warn", "", "must be one of privileged, baseline, restricted"),
          ("warn-version", "1.2", 'must be "latest" or "v1.x"'))),
        ({"enforce": "baseline", "enforce-version": "v1." + "9" * 60}, ("baseline:latest", *("privileged:latest",) * 2),
         (("enforce-version", "v1." + "9" * 60, 'must be "latest" or "v1.x"'),)),
    ],
)  # fmt: skip
def test_labels(labels: dict[str, str], standards: tuple[str, ...], bad: tuple[tuple[str, str, str], ...]) -> None:
    policy = policy_of({f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()})
    assert tuple(map(str, policy[:3])) == standards
    assert policy.bad == tuple(BadLabel(f"pod-security.kubernetes.io/{key}", *rest) for key, *rest in bad)
