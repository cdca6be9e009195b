"""What is refused in pods and pod templates; the wanted texts are those of Kubernetes 1.36."""

from typing import Any

import pytest

from crossfade_local.apiserver.defaults import apply_defaults
from crossfade_local.apiserver.validation import validate

POD = ("", "v1", "Pod")
MUST_BE_SEEN = '"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"'
QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
NODE_TERM = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"
POD_TERM = "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]"
ONLY_DRIVEN_BY_CLAIMS = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
SIZES = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"
PRIVILEGED = (
    '{"Capabilities":{"Add":["A"],"Drop":null},"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,'
    '"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,'
    '"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}'
)


def pod(spec: dict[str, Any], container: dict[str, Any] | None = None, name: str = "x") -> dict[str, Any]:
    own = {"name": "c", "image": "i", **(container or {})}
    return apply_defaults(POD, {"metadata": {"name": name, "namespace": "n"}, "spec": {"containers": [own], **spec}})


def errors(spec: dict[str, Any], container: dict[str, Any] | None = None, name: str = "x") -> list[str]:
    """Without the `spec.` that all fields begin with."""
    return [str(error).removeprefix("spec.") for error in validate(POD, pod(spec, container, name), None)]


def volume(name: str = "v", **source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": name, **source}]}


def projected(*sources: dict[str, Any]) -> dict[str, Any]:
    return volume(projected={"sources": list(sources)})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            volume(emptyDir={"sizeLimit": "-1"}),
            ["emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"],
        ),
        (
            volume(nfs={}),
            [
                "nfs.server: Required value",
                "nfs.path: Required value",
                'nfs.path: Invalid value: "": must be an absolute path',
            ],
        ),
        (volume(iscsi={"iqn": "iqn.x"}), ["iscsi.targetPortal: Required value"]),
        (volume(image={}), ["image.reference: Required value"]),
        (volume(csi={"driver": "d", "nodePublishSecretRef": {}}), ["csi.nodePublishSecretRef.name: Required value"]),
        (volume(emptyDir={}, nfs={}), ["nfs: Forbidden: may not specify more than 1 volume type"]),
        (volume(ephemeral={}), ["ephemeral.volumeClaimTemplate: Required value"]),
        (
            volume(ephemeral={"volumeClaimTemplate": {"metadata": {"name": "a"}, "spec": {}}}),
            [
                "ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
                "ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required",
                "ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value",
            ],
        ),
        (
            volume(downwardAPI={"items": [{}]}),
            [
                "downwardAPI.path: Required value",
                "downwardAPI: Required value: one of fieldRef and resourceFieldRef is required",
            ],
        ),
        (
            volume(
                downwardAPI={
                    "items": [
                        {"path": "a", "fieldRef": {"fieldPath": "spec.nodeName"}},
                        {"path": "b", "resourceFieldRef": {"resource": "limits.cpu"}},
                        {"path": "..c", "fieldRef": {}},
                    ]
                }
            ),
            [
                f'downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: {MUST_BE_SEEN}',
                "downwardAPI.resourceFieldRef.containerName: Required value",
                "downwardAPI.path: Invalid value: \"..c\": must not start with '..'",
                "downwardAPI.fieldRef.fieldPath: Required value",
            ],
        ),
        (projected({}), []),
        (projected({"serviceAccountToken": {}}), ["projected.path: Required value"]),
        (
            projected({"secret": {"name": "a"}, "configMap": {"name": "b"}}),
            ["projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"],
        ),
        (
            projected(
                {"secret": {"name": "a", "items": [{"key": "k", "path": "p"}]}},
                {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            ),
            ['projected: Invalid value: "p": conflicting duplicate paths'],
        ),
    ],
)
def test_volumes(spec: dict[str, Any], expected: list[str]) -> None:
    assert errors(spec) == [f"volumes[0].{error}" for error in expected]


def test_the_claim_of_an_ephemeral_volume_has_the_names_of_pod_and_volume() -> None:
    claim = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}}}}
    long = f"{'a' * 250}"
    said = f'volumes[0].name: Invalid value: "vol": PVC name "{long}-vol": must be no more than 253 characters'
    assert errors(volume("vol", ephemeral={"volumeClaimTemplate": claim}), name=long) == [said]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"fsGroupChangePolicy": "", "seccompProfile": {}, "appArmorProfile": {"type": "Localhost"}},
            [
                'fsGroupChangePolicy: Unsupported value: "": supported values: "Always", "OnRootMismatch"',
                "seccompProfile.type: Required value: type is required when seccompProfile is set",
                "appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost",
            ],
        ),
        (
            {"seccompProfile": {"type": "Unconfined", "localhostProfile": "x"}},
            [
                (
                    'seccompProfile.localhostProfile: Invalid value: {"Type":"Unconfined","LocalhostProfile":"x"}: '
                    "can only be set when seccomp type is Localhost"
                )
            ],
        ),
        (
            {"sysctls": [{"name": "net.a"}, {"name": "net.a"}, {}, {"name": "net/b"}]},
            [
                "sysctls[0].name: Invalid value: \"net.a\": may not be specified when 'hostNetwork' is true",
                'sysctls[1].name: Duplicate value: "net.a"',
                "sysctls[1].name: Invalid value: \"net.a\": may not be specified when 'hostNetwork' is true",
                "sysctls[2].name: Required value",
                "sysctls[3].name: Invalid value: \"net/b\": may not be specified when 'hostNetwork' is true",
            ],
        ),
        (
            {"supplementalGroupsPolicy": "a", "seLinuxChangePolicy": "b"},
            [
                'supplementalGroupsPolicy: Unsupported value: "a": supported values: "Merge", "Strict"',
                'seLinuxChangePolicy: Unsupported value: "b": supported values: "Recursive"',
            ],
        ),
    ],
)
def test_security_of_a_pod(spec: dict[str, Any], expected: list[str]) -> None:
    assert errors({"hostNetwork": True, "securityContext": spec}) == [f"securityContext.{error}" for error in expected]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"hostUsers": False, "hostPID": True, "shareProcessNamespace": True},
            [
                (
                    "securityContext.shareProcessNamespace: Invalid value: true: "
                    "ShareProcessNamespace and HostPID cannot both be enabled"
                ),
                "HostPID: Forbidden: when `hostUsers` is false",
            ],
        ),
        (
            {"hostIPC": True, "securityContext": {"sysctls": [{"name": "kernel.shmx"}, {"name": "kernel.sem"}]}},
            [
                (
                    'securityContext.sysctls[1].name: Invalid value: "kernel.sem": '
                    "may not be specified when 'hostIPC' is true"
                )
            ],
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Lt"}, {"key": "a", "operator": "A"}]},
            [
                'tolerations[0].operator: Unsupported value: "Lt": supported values: "Equal", "Exists", "Lt", "Gt"',
                'tolerations[1].operator: Unsupported value: "A": supported values: "Equal", "Exists"',
            ],
        ),
        (
            {"preemptionPolicy": "a", "os": {"name": "b"}},
            [
                'preemptionPolicy: Unsupported value: "a": supported values: "PreemptLowerPriority", "Never"',
                'os: Unsupported value: "b": supported values: "linux", "windows"',
            ],
        ),
        (
            {"dnsConfig": {"searches": [".", "a.", "b" * 260]}},
            [f'dnsConfig.searches[2]: Invalid value: "{"b" * 260}": must be no more than 253 characters'],
        ),
        (
            {
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "a!", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 0},
                    {"maxSkew": 1, "topologyKey": "a!", "whenUnsatisfiable": "ScheduleAnyway", "matchLabelKeys": ["b"]},
                    {"maxSkew": 1, "topologyKey": "c", "whenUnsatisfiable": "DoNotSchedule", "nodeTaintsPolicy": "d"},
                ]
            },
            [
                (
                    "topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: "
                    'Duplicate value: "{a!, ScheduleAnyway}"'
                ),
                "topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero",
                (
                    "topologySpreadConstraints[0].minDomains: Invalid value: 0: "
                    "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"
                ),
                (
                    "topologySpreadConstraints[1].matchLabelKeys: Forbidden: "
                    "must not be specified when labelSelector is not set"
                ),
                (
                    'topologySpreadConstraints[2].nodeTaintsPolicy: Unsupported value: "d": '
                    'supported values: "Honor", "Ignore"'
                ),
            ],
        ),
    ],
)
def test_pods(spec: dict[str, Any], expected: list[str]) -> None:
    assert errors(spec) == expected


def test_terms_of_affinity() -> None:
    long = "x" * 64
    nodes = {
        "matchExpressions": [{"key": "k", "operator": "In", "values": [long]}],
        "matchFields": [{"key": "a", "operator": "In", "values": []}],
    }
    node_affinity = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [nodes]},
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchExpressions": nodes["matchExpressions"]}}
        ],
    }
    pods = {"topologyKey": "z", "labelSelector": {}, "matchLabelKeys": ["q"], "mismatchLabelKeys": ["q", "!"]}
    pod_affinity = {"requiredDuringSchedulingIgnoredDuringExecution": [pods]}
    assert errors({"affinity": {"nodeAffinity": node_affinity, "podAffinity": pod_affinity}}) == [
        f'{NODE_TERM}.matchExpressions[0].values[0]: Invalid value: "{long}": must be no more than 63 bytes',
        (
            f"{NODE_TERM}.matchFields[0].values: Required value: "
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        ),
        f'{NODE_TERM}.matchFields[0].key: Invalid value: "a": not a valid field selector key',
        f'{POD_TERM}.mismatchLabelKeys[1]: Invalid value: "!": {QUALIFIED}',
        f'{POD_TERM}.matchLabelKeys[0]: Invalid value: "q": exists in both matchLabelKeys and mismatchLabelKeys',
    ]


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        (
            {"restartPolicy": "", "restartPolicyRules": [{"action": "a"}]},
            [
                'restartPolicy: Unsupported value: "": supported values: "Always", "Never", "OnFailure"',
                (
                    'restartPolicyRules[0].action: Unsupported value: "a": '
                    'supported values: "Restart", "RestartAllContainers"'
                ),
                "restartPolicyRules[0].exitCodes: Required value: must be specified",
            ],
        ),
        (
            {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]},
            [
                (
                    'resizePolicy: Invalid value: "RestartContainer": '
                    "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
                )
            ],
        ),
        (
            {
                "resources": {
                    "limits": {"cpu": "1"},
                    "requests": {"cpu": "-1", "a": "1", "b/c": "0.5", "hugepages-2Mi": "1"},
                }
            },
            [
                'resources.requests[a]: Invalid value: "a": must be a standard resource type or fully qualified',
                'resources.requests[a]: Invalid value: "a": must be a standard resource for containers',
                'resources.requests[b/c]: Invalid value: "500m": must be an integer',
                'resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
                (
                    'resources.requests[hugepages-2Mi]: Invalid value: "1": 1 is not positive integer multiple of '
                    "hugepages-2Mi"
                ),
            ],
        ),
        (
            {"resources": {"requests": {"hugepages-2Mi": "2Mi"}, "limits": {"hugepages-2Mi": "4Mi"}}},
            [
                'resources.requests: Invalid value: "2Mi": must be equal to hugepages-2Mi limit of 4Mi',
                "resources: Forbidden: HugePages require cpu or memory",
            ],
        ),
        (
            {
                "securityContext": {
                    "privileged": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"add": ["A"]},
                }
            },
            [
                (
                    f"securityContext: Invalid value: {PRIVILEGED}: "
                    "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
                )
            ],
        ),
        (
            {"securityContext": {"procMount": "Unmasked"}},
            ['securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`'],
        ),
        (
            {
                "volumeMounts": [
                    {"name": "v", "mountPath": "/a", "mountPropagation": "A", "recursiveReadOnly": "Enabled"}
                ]
            },
            [
                (
                    'volumeMounts.mountPropagation: Unsupported value: "A": '
                    'supported values: "Bidirectional", "HostToContainer", "None"'
                ),
                "volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
                (
                    "volumeMounts.recursiveReadOnly: Forbidden: "
                    "may only be specified when mountPropagation is None or not specified"
                ),
            ],
        ),
        (
            {"volumeDevices": [{"name": "v", "devicePath": "/a"}, {"name": "v"}]},
            [
                f'volumeDevices[0].name: Invalid value: "v": {ONLY_DRIVEN_BY_CLAIMS}',
                'volumeDevices[1].name: Invalid value: "v": must be unique',
                f'volumeDevices[1].name: Invalid value: "v": {ONLY_DRIVEN_BY_CLAIMS}',
                "volumeDevices[1].devicePath: Required value",
            ],
        ),
        (
            {
                "env": [
                    {"name": "a", "valueFrom": {"fieldRef": {"apiVersion": "v2", "fieldPath": "metadata.name"}}},
                    {"name": "b", "valueFrom": {"fieldRef": {"fieldPath": "spec.host"}}},
                    {"name": "c", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "2Mi"}}},
                    {"name": "d", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}},
                ]
            },
            [
                (
                    'env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.name": '
                    "error converting fieldPath: unsupported pod version: v2"
                ),
                (
                    'env[2].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.memory": '
                    f"only divisor's values {SIZES} are supported with the memory resource"
                ),
                (
                    'env[3].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": '
                    "only divisor's values 1m and 1 are supported with the cpu resource"
                ),
            ],
        ),
    ],
)
def test_containers(container: dict[str, Any], expected: list[str]) -> None:
    spec = {"restartPolicy": "Never", **volume(emptyDir={})}
    assert errors(spec, container) == [f"containers[0].{error}" for error in expected]


def test_templates_stand_alone_too() -> None:
    kind = ("", "v1", "PodTemplate")
    template = apply_defaults(kind, {"metadata": {"name": "x", "namespace": "n"}, "template": {"spec": {}}})
    assert [str(error) for error in validate(kind, template, None)] == ["template.spec.containers: Required value"]
