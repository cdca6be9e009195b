import base64
from typing import Any

import pytest

from crossfade_local.apiserver.writing.advice import warnings_on_create, warnings_on_update

SURPRISE = "which can result in surprising behavior; a DNS label is recommended"
PORT = {"containerPort": 80, "protocol": "TCP"}


PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
NO_POD = "a null labelSelector results in matching no pod"
POD_TERM = "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]"


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"containers": list(containers), **spec}}


@pytest.mark.parametrize(
    ("kind", "obj", "expected"),
    [
        (
            ("", "v1", "Service"),
            {"spec": {"externalIPs": ["1.2.3.4"]}},
            ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"],
        ),
        (
            ("", "v1", "Secret"),
            {"type": "kubernetes.io/tls", "data": {"tls.crt": PEM, "tls.key": "eA=="}},
            ["tls: failed to find any PEM data in key input"],
        ),
        (("", "v1", "Secret"), {"type": "kubernetes.io/tls", "data": {"tls.crt": PEM, "tls.key": PEM}}, []),
        (
            ("apps", "v1", "StatefulSet"),
            {"spec": {"revisionHistoryLimit": -1}},
            [
                (
                    "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is "
                    "recommended"
                ),
            ],
        ),
        (
            ("networking.k8s.io", "v1", "Ingress"),
            {"metadata": {"annotations": {"kubernetes.io/ingress.class": "kong"}}, "spec": {}},
            ["annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"],
        ),
        (
            ("", "v1", "Pod"),
            pod({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
            ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'],
        ),
        (
            ("", "v1", "Pod"),
            pod(
                {"ports": [{"containerPort": 80, "protocol": "TCP"}]},
                {"ports": [{"containerPort": 80, "protocol": "TCP"}]},
            ),
            ["spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]"],
        ),
        (("", "v1", "Pod"), pod({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]}), []),
        (
            ("", "v1", "Pod"),
            {**pod({}), "metadata": {"name": "a.b"}},
            [
                (
                    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
                    "a DNS label is recommended: [must not contain dots]"
                )
            ],
        ),
        (
            ("", "v1", "Pod"),
            pod(
                hostAliases=[{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}],
                imagePullSecrets=[{"name": "a"}, {"name": "a"}, {}],
                topologySpreadConstraints=[{}, {"labelSelector": {}}],
                affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}},
                volumes=[{"name": "v", "projected": {}}],
            ),
            [
                f"spec.topologySpreadConstraints[0].labelSelector: {NO_POD}",
                f"{POD_TERM}.labelSelector: {NO_POD}",
                'spec.hostAliases[1].ip: duplicate ip "10.0.0.1"',
                'spec.imagePullSecrets[1].name: duplicate name "a"',
                'spec.imagePullSecrets[2].name: invalid empty name ""',
                'volume "v" (Projected) has no sources provided',
            ],
        ),
        (
            ("", "v1", "Pod"),
            pod(
                {
                    "ports": [{"name": "h", "containerPort": 80, "protocol": "TCP", "hostIP": "127.0.0.1"}],
                    "resources": {"limits": {"memory": "100m"}},
                }
            ),
            [
                (
                    'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, '
                    "must be an integer"
                ),
                (
                    "spec.containers[0].ports[0]: hostIP set without hostPort: "
                    "{Name:h HostPort:0 ContainerPort:80 Protocol:TCP HostIP:127.0.0.1}"
                ),
            ],
        ),
        (("", "v1", "ConfigMap"), {}, []),
        (
            ("", "v1", "Pod"),
            {"metadata": {"name": "a.b"}},
            [f"metadata.name: this is used in the Pod's hostname, {SURPRISE}: [must not contain dots]"],
        ),
        (
            ("apps", "v1", "Deployment"),
            {"kind": "Deployment", "metadata": {"name": "a.b"}},
            [f"metadata.name: this is used in Pod names and hostnames, {SURPRISE}: [must not contain dots]"],
        ),
        (("apps", "v1", "DaemonSet"), {"kind": "DaemonSet", "metadata": {"name": "a.b"}}, []),
    ],
)
def test_warnings(kind: tuple[str, str, str], obj: dict[str, Any], expected: list[str]) -> None:
    assert warnings_on_create(kind, obj) == expected


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"containers": [{}]}, []),
        ({"containers": [{"securityContext": {"runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}}}]}, []),
        ({"containers": [{"securityContext": {"privileged": True}}]},
         ["spec.containers[0].securityContext.privileged"]),
        (
            {"containers": [{}], "initContainers": [{"securityContext": {"capabilities": {"add": ["KILL", "BPF"]}}}]},
            ["spec.initContainers[0].securityContext.capabilities.add[1]"],
        ),
        ({"containers": [{"securityContext": {"procMount": "Unmasked"}}]},
         ["spec.containers[0].securityContext.procMount"]),
        ({"containers": [{"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}]}, []),
        ({"containers": [{}], "hostUsers": False, "securityContext": {
            "sysctls": [{"name": "a", "value": "b"}], "seLinuxOptions": {"level": "s0"}}},
         ["spec.hostUsers", "spec.securityContext.seLinuxOptions", "spec.securityContext.sysctls"]),
    ],
)  # fmt: skip
def test_fields_of_security_contexts_that_are_not_carried_out(spec: dict[str, Any], fields: list[str]) -> None:
    assert [text.partition(":")[0] for text in warnings_on_create(("", "v1", "Pod"), {"spec": spec})] == fields


def test_workloads_are_spoken_of_again_when_their_spec_changes() -> None:
    kind, limit = ("apps", "v1", "StatefulSet"), {"spec": {"revisionHistoryLimit": -1}}
    assert warnings_on_update(kind, limit, limit) == []
    assert len(warnings_on_update(kind, limit, {"spec": {}})) == 1
    assert warnings_on_update(("", "v1", "Pod"), pod({"ports": [PORT, PORT]}), pod()) == []
    service = {"spec": {"externalIPs": ["1.2.3.4"]}}
    assert len(warnings_on_update(("", "v1", "Service"), service, service)) == 1
