"""Registration of the mesh controller's admission webhooks (appmesh.md §2.1); it adds its CA bundle itself."""

from typing import Any, Final

from crossfade.api.appmesh.values import GROUP, VERSION
from crossfade.install.mesh_certificates import INJECTED
from crossfade.install.mesh_names import (
    ADMITTED,
    MUTATING_CONFIGURATION,
    POD_PATH,
    VALIDATING_CONFIGURATION,
    WEBHOOK_SERVICE,
    mutating_path,
    validating_path,
)
from crossfade.install.template.nodes import NAMESPACE, Merged
from crossfade_kube.meta import JsonObject

INJECTION_LABEL: Final = "appmesh.k8s.aws/sidecarInjectorWebhook"
_WRITES: Final = ("CREATE", "UPDATE")
# What routes and virtual services refer to, so that its deletion may be an outage.
_NEEDED: Final = ("virtualnode", "virtualrouter")


def webhook_manifests(labels: Merged) -> dict[str, Any]:
    mutating = [_kind_webhook(f"m{kind}", mutating_path(kind), plural) for kind, plural in ADMITTED.items()]
    validating = [_kind_webhook(f"v{kind}", validating_path(kind), plural) for kind, plural in ADMITTED.items()]
    validating += [_deletion_webhook(kind) for kind in _NEEDED]
    mutating = [*mutating, _pod_webhook()]
    return {
        "mutating-webhooks.yaml": _configuration(
            "MutatingWebhookConfiguration", MUTATING_CONFIGURATION, mutating, labels
        ),
        "validating-webhooks.yaml": _configuration(
            "ValidatingWebhookConfiguration", VALIDATING_CONFIGURATION, validating, labels
        ),
    }


def _configuration(kind: str, name: str, webhooks: list[JsonObject], labels: Merged) -> JsonObject:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels, "annotations": INJECTED},
        "webhooks": webhooks,
    }


def _deletion_webhook(kind: str) -> JsonObject:
    """Without the controller anything can be deleted: a namespace must not wait for it for ever."""
    webhook = _kind_webhook(f"d{kind}", validating_path(kind), ADMITTED[kind], ("DELETE",))
    return {**webhook, "failurePolicy": "Ignore"}


def _kind_webhook(name: str, path: str, plural: str, operations: tuple[str, ...] = _WRITES) -> JsonObject:
    scope = "Cluster" if plural == "meshes" else "Namespaced"
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "operations": list(operations),
        "resources": [plural],
        "scope": scope,
    }
    return _webhook(name, path, rule)


def _pod_webhook() -> JsonObject:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
        "scope": "Namespaced",
    }
    chosen = {"key": INJECTION_LABEL, "operator": "In", "values": ["enabled", "disabled"]}
    return {**_webhook("mpod", POD_PATH, rule), "namespaceSelector": {"matchExpressions": [chosen]}}


def _webhook(name: str, path: str, rule: JsonObject) -> JsonObject:
    return {
        "name": f"{name}.{GROUP}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": WEBHOOK_SERVICE, "namespace": NAMESPACE, "path": path, "port": 443}},
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 10,
    }
