from typing import Any

import pytest

from crossfade_local.apiserver.conversion import from_storage, to_storage

BACKEND = {"serviceName": "s", "servicePort": 80}
INGRESS = {
    "apiVersion": "extensions/v1beta1",
    "kind": "Ingress",
    "spec": {"backend": BACKEND, "rules": [{"host": "h", "http": {"paths": [{"path": "/", "backend": BACKEND}]}}]},
}
AUTOSCALER = {
    "apiVersion": "autoscaling/v1",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "h"},
    "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 70},
    "status": {"currentReplicas": 1, "currentCPUUtilizationPercentage": 5},
}
EVENT = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "regarding": {"name": "p"},
    "note": "n",
    "reportingController": "c",
    "eventTime": "2026-01-01T10:06:00.000000Z",
}
BUDGET = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "spec": {"minAvailable": 1}}


ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1beta1", "kind": "Role", "rules": [{"verbs": ["get"]}]}
BETA_AUTOSCALER = {**AUTOSCALER, "apiVersion": "autoscaling/v2beta2", "spec": {"maxReplicas": 3, "metrics": []}}


@pytest.mark.parametrize(
    "obj", [AUTOSCALER, EVENT, BUDGET, ROLE, BETA_AUTOSCALER], ids=lambda obj: f"{obj['apiVersion']} {obj['kind']}"
)
def test_round_trips(obj: dict[str, Any]) -> None:
    group, _, version = obj["apiVersion"].partition("/")
    gvk = group, version, obj["kind"]
    stored = to_storage(gvk, obj)
    assert stored["apiVersion"] != obj["apiVersion"]
    assert from_storage(gvk, stored) == obj


def test_an_ingress_of_old_gets_the_new_form_and_back() -> None:
    gvk = ("extensions", "v1beta1", "Ingress")
    stored = to_storage(gvk, INGRESS)
    service = {"service": {"name": "s", "port": {"number": 80}}}
    assert stored["apiVersion"] == "networking.k8s.io/v1"
    assert stored["spec"]["defaultBackend"] == service
    path = {"path": "/", "pathType": "ImplementationSpecific", "backend": service}
    assert stored["spec"]["rules"][0]["http"]["paths"] == [path]
    shown = from_storage(gvk, stored)
    assert shown["apiVersion"] == "extensions/v1beta1"
    assert shown["spec"]["backend"] == BACKEND
    assert shown["spec"]["rules"][0]["http"]["paths"][0]["backend"] == BACKEND


def test_metrics_that_v1_has_no_field_for_travel_as_annotations() -> None:
    gvk = ("autoscaling", "v1", "HorizontalPodAutoscaler")
    pods = {
        "type": "Pods",
        "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "1k"}},
    }
    stored = {"apiVersion": "autoscaling/v2", "kind": gvk[2], "metadata": {"name": "h"}, "spec": {"metrics": [pods]}}
    shown = from_storage(gvk, stored)
    assert shown["spec"] == {}
    assert "autoscaling.alpha.kubernetes.io/metrics" in shown["metadata"]["annotations"]
    assert to_storage(gvk, shown) == stored


def test_a_definition_of_v1beta1_prunes_nothing() -> None:
    schema = {"properties": {"config": {"type": "object"}, "plugin": {"type": "string"}}}
    old = {
        "apiVersion": "apiextensions.k8s.io/v1beta1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "kongplugins.configuration.konghq.com"},
        "spec": {
            "group": "configuration.konghq.com",
            "version": "v1",
            "names": {"kind": "KongPlugin", "plural": "kongplugins"},
            "validation": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
            "additionalPrinterColumns": [{"name": "P", "type": "string", "JSONPath": ".plugin"}],
        },
    }
    gvk = ("apiextensions.k8s.io", "v1beta1", "CustomResourceDefinition")
    (version,) = to_storage(gvk, old)["spec"]["versions"]
    found = version["schema"]["openAPIV3Schema"]
    assert (version["name"], version["served"], version["storage"]) == ("v1", True, True)
    assert found["x-kubernetes-preserve-unknown-fields"] is True
    assert found["properties"]["config"]["x-kubernetes-preserve-unknown-fields"] is True
    assert version["additionalPrinterColumns"][0]["jsonPath"] == ".plugin"
    shown = from_storage(gvk, to_storage(gvk, old))
    assert shown["spec"]["version"] == "v1"
    assert shown["spec"]["additionalPrinterColumns"] == old["spec"]["additionalPrinterColumns"]  # type: ignore[index]


def test_stored_versions_stay() -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert to_storage(("", "v1", "ConfigMap"), obj) is obj
    assert from_storage(("", "v1", "ConfigMap"), obj) is obj
