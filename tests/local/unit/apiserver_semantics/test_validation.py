from copy import deepcopy
from typing import Any

import pytest

from crossfade_local.apiserver.defaults import apply_defaults, default_addresses
from crossfade_local.apiserver.validation import invalid_status, validate, validate_status
from crossfade_local.apiserver.validation.errors import invalid, required

Kind = tuple[str, str, str]
POD: Kind = ("", "v1", "Pod")
DEPLOYMENT: Kind = ("apps", "v1", "Deployment")
RC: Kind = ("", "v1", "ReplicationController")
SERVICE: Kind = ("", "v1", "Service")
SECRET: Kind = ("", "v1", "Secret")
INGRESS: Kind = ("networking.k8s.io", "v1", "Ingress")
AUTOSCALER: Kind = ("autoscaling", "v2", "HorizontalPodAutoscaler")
CRD: Kind = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
OWN_NAME = {"fieldRef": {"fieldPath": "metadata.name"}}
ONLY_EXTERNAL = "may only be set for externally-accessible services"
TYPES = '"array", "boolean", "integer", "number", "object", "string"'
OTHER_ROLE = '{"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"b"}'
DEADLINE = "spec.template.spec.activeDeadlineSeconds"
NEGATIVE_REPLICAS = "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
ONLY_SIDECAR = "may not be set for init containers without restartPolicy=Always"
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def complete(kind: Kind, **fields: Any) -> dict[str, Any]:
    metadata = {"name": "x", "namespace": "n"}
    if kind[2] in ("Namespace", "CustomResourceDefinition", "IngressClass"):
        del metadata["namespace"]
    obj = apply_defaults(kind, {"metadata": metadata, **deepcopy(fields)})
    if kind == SERVICE:
        default_addresses(obj["spec"])
    return obj


def errors(kind: Kind, new: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    return [str(error) for error in validate(kind, new, old)]


def pod_spec(**container: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "i", **container}]}


def deployment_spec(**fields: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod_spec()}
    return {"selector": {"matchLabels": {"a": "b"}}, "template": template, **fields}


def replication_spec(**fields: Any) -> dict[str, Any]:
    """`restartPolicy` and the like go to the pod template."""
    own = {name: fields.pop(name) for name in ("selector", "replicas") if name in fields}
    return {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {**pod_spec(), **fields}}, **own}


def job_spec() -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {**pod_spec(), "restartPolicy": "Never"}}
    return {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}, "template": template}


def backend(**service: Any) -> dict[str, Any]:
    return {"service": {"name": "s", "port": {"number": 80}, **service}}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (POD, {"spec": pod_spec()}),
        (DEPLOYMENT, {"spec": deployment_spec()}),
        (RC, {"spec": replication_spec()}),
        (RC, {"spec": replication_spec(selector={})}),
        (SERVICE, {"spec": {"ports": [{"port": 80}]}}),
        (SERVICE, {"spec": {"type": "ExternalName", "externalName": "a.b."}}),
        (SECRET, {"data": {"a": "Yg=="}}),
        (("", "v1", "ConfigMap"), {"data": {"a.b_c-d": "x"}}),
        (INGRESS, {"spec": {"defaultBackend": backend()}}),
        (("", "v1", "Namespace"), {}),
        (("batch", "v1", "Job"), {"spec": job_spec()}),
    ],
)
def test_good_objects(kind: Kind, fields: dict[str, Any]) -> None:
    assert errors(kind, complete(kind, **fields)) == []


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (POD, {"spec": {}}, ["spec.containers: Required value"]),
        (RC, {"spec": {}}, ["spec.selector: Required value", "spec.template: Required value"]),
        (RC, {"spec": replication_spec(replicas=-1)}, [NEGATIVE_REPLICAS]),
        (
            RC,
            {"spec": replication_spec(selector={"a": "c"})},
            [
                'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
            ],
        ),
        (
            RC,
            {"spec": replication_spec(restartPolicy="Never", activeDeadlineSeconds=5)},
            [
                'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
                f"{DEADLINE}: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported",
            ],
        ),
        (POD, {"spec": pod_spec(name="UP")}, [f'spec.containers[0].name: Invalid value: "UP": {LABEL}']),
        (
            POD,
            {"spec": pod_spec(volumeMounts=[{"name": "v", "mountPath": "/a"}])},
            ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
        ),
        (
            POD,
            {
                "spec": pod_spec(
                    env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
                )
            },
            ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
        ),
        (
            POD,
            {"spec": pod_spec(livenessProbe={"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}})},
            ["spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
        ),
        (
            POD,
            {"spec": {**pod_spec(), "initContainers": [{"name": "i", "image": "i", "lifecycle": {}}]}},
            [f"spec.initContainers[0].lifecycle: Forbidden: {ONLY_SIDECAR}"],
        ),
        (
            POD,
            {"spec": {**pod_spec(), "volumes": [{"name": "v", "secret": {}, "emptyDir": {}}]}},
            ["spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type"],
        ),
        (
            POD,
            {"spec": {**pod_spec(), "tolerations": [{"key": "a", "operator": "Maybe"}]}},
            ['spec.tolerations[0].operator: Unsupported value: "Maybe": supported values: "Equal", "Exists"'],
        ),
        (
            DEPLOYMENT,
            {"spec": deployment_spec(replicas=-1, strategy={"type": "Recreate", "rollingUpdate": {}})},
            [
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
            ],
        ),
        (
            DEPLOYMENT,
            {"spec": deployment_spec(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}})},
            ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
        ),
        (
            DEPLOYMENT,
            {"spec": deployment_spec(selector={"matchLabels": {"a": "c"}})},
            ['spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'],
        ),
        (
            SERVICE,
            {"spec": {"type": "LoadBalancer", "clusterIP": "None", "ports": [{"port": 80}]}},
            ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for LoadBalancer services"],
        ),
        (
            SERVICE,
            {"spec": {"ports": [{"port": 80, "nodePort": 30000}], "externalTrafficPolicy": "Local"}},
            [
                "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
                f'spec.externalTrafficPolicy: Invalid value: "Local": {ONLY_EXTERNAL}',
            ],
        ),
        (SECRET, {"type": "kubernetes.io/tls"}, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
        (
            ("", "v1", "ConfigMap"),
            {"data": {"k": "1"}, "binaryData": {"k": "YQ=="}},
            ['data[k]: Invalid value: "k": duplicate of key present in binaryData'],
        ),
        (
            INGRESS,
            {"spec": {"rules": [{"http": {"paths": [{"path": "/a/..", "pathType": "Exact", "backend": {}}]}}]}},
            [
                "spec.rules[0].http.paths[0].path: Invalid value: \"/a/..\": cannot end with '/..'",
                'spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required',
            ],
        ),
        (
            AUTOSCALER,
            {"spec": {"maxReplicas": 0, "scaleTargetRef": {"kind": "D", "name": "d", "apiVersion": "apps/v1"}}},
            [
                "spec.maxReplicas: Required value: must be set and greater than 0",
                "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
            ],
        ),
        (
            ("rbac.authorization.k8s.io", "v1", "Role"),
            {"rules": [{"verbs": [], "apiGroups": [""]}]},
            [
                "rules[0].verbs: Required value: verbs must contain at least one value",
                "rules[0].resources: Required value: resource rules must supply at least one resource",
            ],
        ),
        (
            ("policy", "v1", "PodDisruptionBudget"),
            {"spec": {"minAvailable": "150%"}},
            ['spec.minAvailable: Invalid value: "150%": must not be greater than 100%'],
        ),
        (
            ("coordination.k8s.io", "v1", "Lease"),
            {"spec": {"leaseDurationSeconds": 0}},
            ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
        ),
    ],
)
def test_bad_objects(kind: Kind, fields: dict[str, Any], expected: list[str]) -> None:
    assert errors(kind, complete(kind, **fields)) == expected


def test_definitions_need_structural_schemas() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array"}, "b": {}, "c": {"type": "text"}}}
    crd = complete(
        CRD,
        spec={
            "group": "e.com",
            "scope": "Namespaced",
            "names": {"plural": "xs", "kind": "X"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    )
    place = "spec.validation.openAPIV3Schema.properties"
    assert errors(CRD, crd) == [
        'metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group',
        f"{place}[a].items: Required value: must be specified",
        f"{place}[b].type: Required value: must not be empty for specified object fields",
        f'{place}[c].type: Unsupported value: "text": supported values: {TYPES}',
    ]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"name": ""}, ["metadata.name: Required value: name or generateName is required"]),
        ({"labels": {"a": "-"}}, ['metadata.labels: Invalid value: "-": a valid label must be']),
        ({"labels": {"/a": ""}}, ['metadata.labels: Invalid value: "/a": prefix part must be non-empty']),
        ({"annotations": {"A.b/C": "x"}}, []),
        ({"annotations": {"a": "x" * 300_000}}, ["metadata.annotations: Too long: may not be more than 262144 bytes"]),
        ({"finalizers": ["a.io/a b"]}, ['metadata.finalizers: Invalid value: "a.io/a b": name part must consist']),
        ({"finalizers": ["kubernetes", "orphan", "a.io/b"]}, []),
        (
            {"finalizers": ["a.io/b", "bare"]},
            [
                (
                    'metadata.finalizers[1]: Invalid value: "bare": name is neither a standard finalizer name nor is it'
                    " fully qualified"
                )
            ],
        ),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]},
            ['metadata.ownerReferences.uid: Invalid value: "": must not be empty'],
        ),
        ({"generateName": "Up-", "name": "up"}, ['metadata.generateName: Invalid value: "Up-": a lowercase RFC 1123']),
        ({"namespace": "A"}, ['metadata.namespace: Invalid value: "A": a lowercase RFC 1123 label']),
    ],
)
def test_metadata(metadata: dict[str, Any], expected: list[str]) -> None:
    obj = complete(("", "v1", "ConfigMap"))
    obj["metadata"] |= metadata
    found = errors(("", "v1", "ConfigMap"), obj)
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


def changed(obj: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    result = deepcopy(obj)
    *parents, name = path.split(".")
    place = result
    for step in parents:
        place = place.setdefault(step, {})
    place[name] = value
    return result


@pytest.mark.parametrize(
    ("kind", "fields", "path", "value", "expected"),
    [
        (
            DEPLOYMENT,
            {"spec": deployment_spec()},
            "spec.selector",
            {"matchLabels": {"a": "b"}, "matchExpressions": []},
            ['spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: field is immutable'],
        ),
        (
            SERVICE,
            {"spec": {"clusterIP": "10.96.0.5", "ports": [{"port": 80}]}},
            "spec.clusterIPs",
            ["10.96.0.6"],
            [
                'spec.clusterIPs[0]: Invalid value: ["10.96.0.6"]: may not change once set',
                'spec.clusterIPs: Invalid value: ["10.96.0.6"]: first value must match `clusterIP`',
            ],
        ),
        (SECRET, {}, "type", "other", ['type: Invalid value: "other": field is immutable']),
        (
            SECRET,
            {"immutable": True, "data": {"a": "Yg=="}},
            "data.a",
            "Yw==",
            ["data: Forbidden: field is immutable when `immutable` is set"],
        ),
        (
            ("networking.k8s.io", "v1", "IngressClass"),
            {"spec": {"controller": "a.b/c"}},
            "spec.controller",
            "a.b/d",
            ['spec.controller: Invalid value: "a.b/d": field is immutable'],
        ),
        (
            ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
            {"roleRef": {"kind": "Role", "name": "a"}},
            "roleRef.name",
            "b",
            [f"roleRef: Invalid value: {OTHER_ROLE}: cannot change roleRef"],
        ),
        (
            POD,
            {"spec": pod_spec()},
            "spec.containers",
            [],
            [
                "spec.containers: Required value",
                "spec.containers: Forbidden: pod updates may not add or remove containers",
            ],
        ),
    ],
)
def test_what_may_not_change(kind: Kind, fields: dict[str, Any], path: str, value: Any, expected: list[str]) -> None:
    old = complete(kind, **fields)
    assert errors(kind, changed(old, path, value), old) == expected
    assert errors(kind, deepcopy(old), old) == []


def test_a_pods_image_may_change_and_little_else() -> None:
    old = complete(POD, spec=pod_spec())
    image = deepcopy(old)
    image["spec"]["containers"][0]["image"] = "other"
    assert errors(POD, image, old) == []
    tolerating = changed(old, "spec.tolerations", [{"key": "a", "operator": "Exists"}])
    assert errors(POD, tolerating, old) == []
    (text,) = errors(POD, changed(old, "spec.restartPolicy", "Never"), old)
    assert text.startswith("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,")


def test_a_dying_object_takes_no_new_finalizers() -> None:
    kind = ("", "v1", "ConfigMap")
    old = complete(kind)
    old["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    new = changed(old, "metadata.finalizers", ["e.com/new"])
    assert errors(kind, new, old)[0] == (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new"
        ' finalizers []string{"e.com/new"}'
    )


def test_status_writes_have_rules_of_their_own() -> None:
    old = complete(SERVICE, spec={"ports": [{"port": 80}]})
    new = changed(old, "status.loadBalancer.ingress", [{"ip": "1.2.3.4"}])
    assert [error.field for error in validate_status(SERVICE, new, old)] == ["status.loadBalancer.ingress"]
    balanced = changed(new, "spec.type", "LoadBalancer")
    assert validate_status(SERVICE, balanced, old) == []


def test_the_answer_names_every_cause_and_says_equal_texts_once() -> None:
    twice = [required("spec.a"), required("spec.a"), invalid("spec.b", 1, "is odd")]
    status = invalid_status(group="apps", kind="Deployment", name="x", errors=twice)
    assert (
        status["message"]
        == 'Deployment.apps "x" is invalid: [spec.a: Required value, spec.b: Invalid value: 1: is odd]'
    )
    assert len(status["details"]["causes"]) == 3
    assert status["details"]["causes"][2] == {
        "reason": "FieldValueInvalid",
        "message": "Invalid value: 1: is odd",
        "field": "spec.b",
    }
    single = invalid_status(group="", kind="", name="", errors=[required("patch")])
    assert single["message"] == ' "" is invalid: patch: Required value'
