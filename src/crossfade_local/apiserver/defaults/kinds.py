"""Which kind gets which defaults, and the defaults of the small kinds. All functions change the given object."""

import base64
from collections.abc import Callable
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.defaults import workloads
from crossfade_local.apiserver.defaults.autoscaling import default_autoscaler
from crossfade_local.apiserver.defaults.limits import default_limit_range
from crossfade_local.apiserver.defaults.pod import default_pod, default_template
from crossfade_local.apiserver.defaults.service import default_service
from crossfade_local.apiserver.defaults.workloads import fill
from crossfade_local.values.fields import at, mapping, objects, sequence, text

_RBAC: Final = "rbac.authorization.k8s.io"
_HTTPS: Final = 443


def _default_secret(obj: JsonObject) -> None:
    obj["type"] = text(obj, "type") or "Opaque"
    plain = obj.pop("stringData", None)
    if isinstance(plain, dict) and plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        obj["data"] = {**mapping(obj, "data"), **encoded}


def _default_endpoints(obj: JsonObject) -> None:
    for subset in objects(obj, "subsets"):
        for port in objects(subset, "ports"):
            port["protocol"] = text(port, "protocol") or "TCP"


def _default_endpoint_slice(obj: JsonObject) -> None:
    for port in objects(obj, "ports"):
        fill(port, {"name": "", "protocol": "TCP"})


def _default_ingress_class(obj: JsonObject) -> None:
    parameters = at(obj, "spec", "parameters")
    if isinstance(parameters, dict):
        fill(parameters, {"scope": "Cluster"})


def _default_network_policy(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    if not sequence(spec, "policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if sequence(spec, "egress") else [])]
    for rule in (*objects(spec, "ingress"), *objects(spec, "egress")):
        for port in objects(rule, "ports"):
            fill(port, {"protocol": "TCP"})


def _default_binding(obj: JsonObject) -> None:
    reference = obj.setdefault("roleRef", {})
    reference["apiGroup"] = text(reference, "apiGroup") or _RBAC
    for subject in objects(obj, "subjects"):
        if text(subject, "kind") in ("User", "Group") and not text(subject, "apiGroup"):
            subject["apiGroup"] = _RBAC


def _default_webhooks(obj: JsonObject) -> None:
    for webhook in objects(obj, "webhooks"):
        fill(webhook, {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "timeoutSeconds": 10})
        fill(webhook, {"namespaceSelector": {}, "objectSelector": {}})
        for rule in objects(webhook, "rules"):
            fill(rule, {"scope": "*"})
        service = at(webhook, "clientConfig", "service")
        if isinstance(service, dict):
            fill(service, {"port": _HTTPS})


def _default_mutating_webhooks(obj: JsonObject) -> None:
    _default_webhooks(obj)
    for webhook in objects(obj, "webhooks"):
        fill(webhook, {"reinvocationPolicy": "Never"})


def _default_admission_policy(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, {"failurePolicy": "Fail"})
    _default_match(spec.get("matchConstraints"))


def _default_admission_binding(obj: JsonObject) -> None:
    _default_match(obj.setdefault("spec", {}).get("matchResources"))


def _default_match(resources: JsonObject | None) -> None:
    if resources is None:
        return
    fill(resources, {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}})
    for rule in (*objects(resources, "resourceRules"), *objects(resources, "excludeResourceRules")):
        fill(rule, {"scope": "*"})


def _default_crd(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    names["singular"] = text(names, "singular") or text(names, "kind").lower()
    if text(names, "kind"):
        names["listKind"] = text(names, "listKind") or text(names, "kind") + "List"
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    service = mapping(conversion, "webhook", "clientConfig", "service")
    if service:
        fill(service, {"port": _HTTPS})


def _default_volume(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"})
    if isinstance(spec.get("hostPath"), dict):
        fill(spec["hostPath"], {"type": ""})
    fill(obj, {"status": {}})
    fill(obj["status"], {"phase": "Pending"})


def _default_driver(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, {"attachRequired": True, "fsGroupPolicy": "ReadWriteOnceWithFSType"})
    fill(spec, dict.fromkeys(("podInfoOnMount", "requiresRepublish", "seLinuxMount", "storageCapacity"), False))
    if not sequence(spec, "volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _default_namespace(obj: JsonObject) -> None:
    obj.setdefault("spec", {})
    if name := text(obj, "metadata", "name"):
        obj["metadata"]["labels"] = {**mapping(obj, "metadata", "labels"), "kubernetes.io/metadata.name": name}


def _fields(**values: Any) -> Callable[[JsonObject], None]:
    return lambda obj: fill(obj, values)


def _spec_fields(**values: Any) -> Callable[[JsonObject], None]:
    return lambda obj: fill(obj.setdefault("spec", {}), values)


DEFAULTERS: Final[dict[tuple[str, str], Callable[[JsonObject], None]]] = {
    ("", "Pod"): default_pod,
    ("", "PodTemplate"): default_template,
    ("", "Service"): default_service,
    ("", "Secret"): _default_secret,
    ("", "Endpoints"): _default_endpoints,
    ("", "Namespace"): _default_namespace,
    ("", "LimitRange"): default_limit_range,
    ("", "PersistentVolumeClaim"): workloads.default_claim,
    ("", "PersistentVolume"): _default_volume,
    ("", "ReplicationController"): workloads.default_replication_controller,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _default_mutating_webhooks,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _default_webhooks,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): _default_admission_policy,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): _default_admission_binding,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): _default_admission_policy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): _default_admission_binding,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _default_crd,
    ("apps", "Deployment"): workloads.default_deployment,
    ("apps", "ReplicaSet"): workloads.default_replica_set,
    ("apps", "DaemonSet"): workloads.default_daemon_set,
    ("apps", "StatefulSet"): workloads.default_stateful_set,
    ("authentication.k8s.io", "TokenRequest"): _spec_fields(expirationSeconds=3600),
    ("autoscaling", "HorizontalPodAutoscaler"): default_autoscaler,
    ("batch", "Job"): workloads.default_job,
    ("batch", "CronJob"): workloads.default_cron_job,
    ("discovery.k8s.io", "EndpointSlice"): _default_endpoint_slice,
    ("networking.k8s.io", "IngressClass"): _default_ingress_class,
    ("networking.k8s.io", "NetworkPolicy"): _default_network_policy,
    (_RBAC, "RoleBinding"): _default_binding,
    (_RBAC, "ClusterRoleBinding"): _default_binding,
    ("scheduling.k8s.io", "PriorityClass"): _fields(preemptionPolicy="PreemptLowerPriority"),
    ("storage.k8s.io", "CSIDriver"): _default_driver,
    ("storage.k8s.io", "StorageClass"): _fields(reclaimPolicy="Delete", volumeBindingMode="Immediate"),
}
