from typing import Any

import pytest

from crossfade_local.apiserver.writing.advice import warnings_on_create

SURPRISE = "which can result in surprising behavior; a DNS label is recommended"
PORT = {"containerPort": 80, "protocol": "TCP"}


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(containers)}}


@pytest.mark.parametrize(
    ("kind", "obj", "expected"),
    [
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
