"""What a real API server says of kinds beside pods and what runs them."""

from copy import deepcopy
from typing import Any

import pytest

from crossfade_local.apiserver.defaults import apply_defaults, default_addresses
from crossfade_local.apiserver.validation import validate

Kind = tuple[str, str, str]
NODE: Kind = ("", "v1", "Node")
CLAIM: Kind = ("", "v1", "PersistentVolumeClaim")
VOLUME: Kind = ("", "v1", "PersistentVolume")
STORAGE_CLASS: Kind = ("storage.k8s.io", "v1", "StorageClass")
PRIORITY_CLASS: Kind = ("scheduling.k8s.io", "v1", "PriorityClass")
REVISION: Kind = ("apps", "v1", "ControllerRevision")
POD_TEMPLATE: Kind = ("", "v1", "PodTemplate")
JOB: Kind = ("batch", "v1", "Job")
DAEMON_SET: Kind = ("apps", "v1", "DaemonSet")
STATEFUL_SET: Kind = ("apps", "v1", "StatefulSet")
INGRESS: Kind = ("networking.k8s.io", "v1", "Ingress")
INGRESS_CLASS: Kind = ("networking.k8s.io", "v1", "IngressClass")
ENDPOINT_SLICE: Kind = ("discovery.k8s.io", "v1", "EndpointSlice")
ENDPOINTS: Kind = ("", "v1", "Endpoints")
AUTOSCALER: Kind = ("autoscaling", "v2", "HorizontalPodAutoscaler")
SERVICE: Kind = ("", "v1", "Service")
HOOK: Kind = ("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration")
EVENT: Kind = ("events.k8s.io", "v1", "Event")
CLUSTER_WIDE = (HOOK, NODE, VOLUME, STORAGE_CLASS, PRIORITY_CLASS, INGRESS_CLASS)
CONTAINERS = [{"name": "c", "image": "i"}]
IMMUTABLE = "field is immutable"
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": CONTAINERS}}
ENDING = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}
GENERATED = {
    "metadata": {
        "labels": {
            "a": "b",
            "batch.kubernetes.io/controller-uid": "u",
            "batch.kubernetes.io/job-name": "x",
            "controller-uid": "u",
            "job-name": "x",
        }
    },
    "spec": {"containers": CONTAINERS, "restartPolicy": "Never"},
}
MET = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
MET_TRUE = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
CALLED = {"name": "a", "namespace": "b"}
HOOKED = {"name": "a.b.c", "sideEffects": "None", "admissionReviewVersions": ["v1"]}
SELECTED = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
MANUAL = {**SELECTED, "manualSelector": True, "template": ENDING}
INDEXED = {**MANUAL, "completionMode": "Indexed", "completions": 2, "parallelism": 2}
CLAIMED = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
VOLUMED = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}}
AFFINITY = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "Exists"}]}]}}
PARAMETERS = {"kind": "K", "name": "a", "scope": "Namespace", "namespace": "a.b"}
ENDPOINT = {"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "z"}, {"name": "z"}]}}
UTILIZED = {"type": "Utilization", "averageUtilization": 50}
SCALED = {"apiVersion": "a/v1", "kind": "A", "name": "a"}
METRICS = [{"type": "ContainerResource", "containerResource": {"name": "x", "container": "c", "target": UTILIZED}}]
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
REPORTED = {
    "involvedObject": {"kind": "Pod", "name": "p", "namespace": "n"},
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "type": "Normal",
    "action": "A",
    "reason": "R",
    "reportingComponent": "c",
    "reportingInstance": "i",
}


def complete(kind: Kind, fields: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "x"} if kind in CLUSTER_WIDE else {"name": "x", "namespace": "n"}
    obj = apply_defaults(kind, {"metadata": metadata, **deepcopy(fields)})
    if kind == SERVICE:
        default_addresses(obj["spec"])
    return obj


def errors(kind: Kind, new: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    before = None if old is None else complete(kind, old)
    return [str(error) for error in validate(kind, complete(kind, new), before)]


def job(**fields: Any) -> dict[str, Any]:
    return {"spec": {**INDEXED, **fields}}


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (JOB, {"metadata": {"name": "x", "namespace": "n", "uid": "u"}, "spec": {**SELECTED, "template": GENERATED}}, [
            'spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` not auto-generated',
        ]),
        (JOB, {"spec": {**MANUAL, "podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {}}]}}}, [
            'spec.podFailurePolicy.rules[0].onExitCodes.operator: Required value: valid values: ["In" "NotIn"]',
            "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: null: at least one value is required",
        ]),
        (ENDPOINTS, {"subsets": [{"addresses": [{"ip": "x"}]}]}, [
            ('subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or '
            "2001:db8::ffff)"),
            'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address',
        ]),
        (REVISION, {"data": []}, ["data: Required value: data must be a valid JSON object"]),
        (("", "v1", "Secret"), {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "MQ=="}}, [
            ('data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal number into '
            "Go value of type map[string]interface {}"),
        ]),
        (HOOK, {"webhooks": [{**HOOKED, "clientConfig": {"service": {**CALLED, "path": "A/b/"}}}]}, [
            "webhooks[0].clientConfig.service.path: Invalid value: \"A/b/\": must start with a '/'",
            'webhooks[0].clientConfig.service.path: Invalid value: "A/b/": segment[0] may not be empty',
        ]),
        (NODE, {"spec": {"podCIDR": "10.1.0.0/24", "taints": [{"key": "k", "effect": "NoExecute"}]}}, []),
        (NODE, {"spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24", "10.2.0.0/24"]}}, [
            ('spec.podCIDRs: Invalid value: ["10.1.0.0/24","10.2.0.0/24"]: may specify no more than one CIDR for each '
            "IP family")
        ]),
        (NODE, {"spec": {"taints": [{"key": "k", "value": "v", "effect": "NoExecute"}] * 2}}, [
            ('metadata.taints[1]: Duplicate value: {"Key":"k","Value":"v","Effect":"NoExecute","TimeAdded":null}: '
            "taints must be unique by key and effect pair")
        ]),
        (NODE, {"spec": {"taints": [{"key": "k"}]}}, ["metadata.taints[0].effect: Required value"]),
        (CLAIM, {"spec": {**CLAIMED, "dataSource": {"kind": "PersistentVolumeClaim"}}}, [
            "spec.dataSource.name: Required value",
        ]),
        (CLAIM, {"spec": {**CLAIMED, "dataSourceRef": {"kind": "A", "name": "a"}}}, [
            ('spec.dataSourceRef: Invalid value: "A": must be \'PersistentVolumeClaim\' when referencing the default '
            "apiGroup")
        ]),
        (VOLUME, {"spec": VOLUMED}, []),
        (VOLUME, {"spec": {**VOLUMED, "capacity": {"storage": "-1", "cpu": "1"}}}, [
            'spec.capacity: Unsupported value: {"cpu":"1","storage":"-1"}: supported values: "storage"',
            "spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity",
            'spec.capacity[storage]: Invalid value: "-1": must be greater than zero',
        ]),
        (VOLUME, {"spec": {**VOLUMED, "nodeAffinity": {}}}, [
            "spec.nodeAffinity.required: Required value: must specify required node constraints",
        ]),
        (STORAGE_CLASS, {"provisioner": "a/b/c"}, [
            ('provisioner: Invalid value: "a/b/c": a valid label key must consist of alphanumeric characters, \'-\', '
            "'_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
            "'123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS "
            "subdomain prefix and '/' (e.g. 'example.com/MyName')")
        ]),
        (STORAGE_CLASS, {"provisioner": "a", "allowedTopologies": [{}]}, [
            'allowedTopologies[0].matchLabelExpressions: Duplicate value: ""',
        ]),
        (STORAGE_CLASS, {"provisioner": "a", "allowedTopologies": [{"matchLabelExpressions": [{"key": "k"}] * 2}]}, [
            "allowedTopologies[0].matchLabelExpressions[0].values: Required value",
            "allowedTopologies[0].matchLabelExpressions[1].values: Required value",
            'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "k"',
        ]),
        (PRIORITY_CLASS, {"value": 1, "preemptionPolicy": "x"}, [
            'preemptionPolicy: Unsupported value: "x": supported values: "PreemptLowerPriority", "Never"',
        ]),
        (REVISION, {"revision": -1}, [
            "data: Required value: data is mandatory",
            "revision: Invalid value: -1: must be greater than or equal to 0",
        ]),
        (POD_TEMPLATE, {"template": {}}, ["template.spec.containers: Required value"]),
        (JOB, job(successPolicy={"rules": [{"succeededIndexes": "0-1", "succeededCount": 2}]}), []),
        (JOB, job(successPolicy={"rules": [{"succeededIndexes": "1,0"}]}), [
            ('spec.successPolicy.rules[0].succeededIndexes: Invalid value: "1,0": error parsing succeededIndexes: '
            "non-increasing order, previous: 1, current: 0")
        ]),
        (JOB, job(successPolicy={"rules": [{"succeededIndexes": "0-1-2"}]}), [
            ('spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-1-2": error parsing succeededIndexes: '
            'the fragment "0-1-2" violates the requirement that an index interval can have at most two parts separated '
            "by '-'")
        ]),
        (JOB, job(successPolicy={"rules": [{"succeededCount": 3}]}), [
            ("spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the "
            "number of specified completions)")
        ]),
        (JOB, job(maxFailedIndexes=3), [
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
            "spec.maxFailedIndexes: Invalid value: 3: must be less than or equal to completions",
        ]),
        (DAEMON_SET, {"spec": {**SELECTED, "updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}}}, [
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
        ]),
        (STATEFUL_SET, {"spec": {**SELECTED, "serviceName": "a.b"}}, [
            'spec.serviceName: Invalid value: "a.b": must not contain dots',
        ]),
        (STATEFUL_SET, {"spec": {**SELECTED, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "x"}}}, [
            ('spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "x": supported values: '
            '"Retain", "Delete"')
        ]),
        (EVENT, REPORTED, []),
        (INGRESS, {"spec": {"defaultBackend": {"resource": {"apiGroup": "a_b", "kind": "K", "name": "a/b"}}}}, [
            f'spec.defaultBackend.resource.apiGroup: Invalid value: "a_b": {SUBDOMAIN}',
            "spec.defaultBackend.resource.name: Invalid value: \"a/b\": may not contain '/'",
        ]),
        (INGRESS_CLASS, {"spec": {"controller": "a/b", "parameters": PARAMETERS}}, [
            'spec.parameters.namespace: Invalid value: "a.b": must not contain dots',
        ]),
        (ENDPOINT_SLICE, {"addressType": "IPv4", "endpoints": [ENDPOINT]}, [
            'endpoints[0].hints.forZones[1].name: Duplicate value: "z"',
        ]),
        (ENDPOINTS, {"subsets": [{"addresses": [{"ip": "10.0.0.1", "hostname": "a.b", "nodeName": "a_b"}]}]}, [
            'subsets[0].addresses[0].hostname: Invalid value: "a.b": must not contain dots',
            f'subsets[0].addresses[0].nodeName: Invalid value: "a_b": {SUBDOMAIN}',
        ]),
        (AUTOSCALER, {"spec": {"scaleTargetRef": SCALED, "metrics": METRICS}}, [
            "spec.maxReplicas: Required value: must be set and greater than 0",
            "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
            ('spec.metrics[0].containerResource.name: Invalid value: "x": must be a standard resource type or fully '
            "qualified"),
            'spec.metrics[0].containerResource.name: Invalid value: "x": must be a standard resource for containers',
        ]),
        (SERVICE, {"spec": {"ports": [{"port": 80}], "clusterIPs": ["10.96.0.7", "10.96.0.8"]}}, [
            ('spec.clusterIPs: Invalid value: ["10.96.0.7","10.96.0.8"]: may specify no more than one IP for each IP '
            "family"),
        ]),
        (SERVICE, {"spec": {"ports": [{"port": 80}], "ipFamilyPolicy": "", "internalTrafficPolicy": ""}}, [
            ('spec.ipFamilyPolicy: Unsupported value: "": supported values: "PreferDualStack", "RequireDualStack", '
            '"SingleStack"'),
            'spec.internalTrafficPolicy: Unsupported value: "": supported values: "Cluster", "Local"',
        ]),
        (EVENT, {**REPORTED, "series": {"count": 1}}, [
            'series.count: Invalid value: "": should be at least 2',
            "series.lastObservedTime: Required value",
        ]),
    ],
)  # fmt: skip
def test_new_objects(kind: Kind, fields: dict[str, Any], expected: list[str]) -> None:
    assert errors(kind, fields) == expected


@pytest.mark.parametrize(
    ("kind", "new", "old", "expected"),
    [
        (VOLUME, {"spec": {**VOLUMED, "nodeAffinity": AFFINITY}}, {"spec": VOLUMED}, []),
        (VOLUME, {"spec": VOLUMED}, {"spec": {**VOLUMED, "nodeAffinity": AFFINITY}}, [
            f"nodeAffinity: Invalid value: null: {IMMUTABLE}, except for updating from beta label to GA",
        ]),
        (REVISION, {"revision": 1}, {"revision": 1, "data": {"a": "b"}}, [
            f"data: Invalid value: null: {IMMUTABLE}",
        ]),
        (JOB, job(podFailurePolicy=MET), job(podFailurePolicy=MET_TRUE), []),
        (STATEFUL_SET, {"spec": {**SELECTED, "volumeClaimTemplates": [{"kind": "Odd", "spec": {}}]}},
         {"spec": {**SELECTED, "volumeClaimTemplates": [{"spec": {}}]}}, [
            "spec.template.spec.volumes[0].persistentVolumeClaim.claimName: Required value",
            "spec.template.spec.volumes[0].name: Required value",
        ]),
        (JOB, {"metadata": {"name": "x", "namespace": "n", "uid": "u"}, "spec": {**SELECTED, "template": GENERATED}},
         {"metadata": {"name": "x", "namespace": "n", "uid": "u"}, "spec": {**SELECTED, "template": GENERATED}}, [
            'spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` not auto-generated',
        ]),
        (JOB, job(completions=3), job(), [
            "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism",
        ]),
        (JOB, job(completions=3, parallelism=3), job(), []),
        (JOB, job(successPolicy={"rules": [{"succeededCount": 1}]}), job(), [
            'spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":null,"SucceededCount":1}]}: ' + IMMUTABLE,
        ]),
        (EVENT, {**REPORTED, "reason": "S"}, REPORTED, [f'reason: Invalid value: "S": {IMMUTABLE}']),
        (EVENT, {**REPORTED, "involvedObject": {"name": "p", "namespace": "n"}}, REPORTED, [
            ('involvedObject: Invalid value: {"Kind":"","Namespace":"n","Name":"p","UID":"","APIVersion":"",'
            f'"ResourceVersion":"","FieldPath":""}}: {IMMUTABLE}')
        ]),
    ],
)  # fmt: skip
def test_changes(kind: Kind, new: dict[str, Any], old: dict[str, Any], expected: list[str]) -> None:
    assert errors(kind, new, old) == expected
