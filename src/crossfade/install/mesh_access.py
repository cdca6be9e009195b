"""What the mesh controller may do in a cluster: no more than it does."""

from typing import Final

from crossfade.api.appmesh.values import GROUP
from crossfade.inject.settings import AUTHORITY_BUNDLE
from crossfade.install.mesh_names import (
    ADMITTED,
    CERTIFICATE_SECRET,
    IDENTITIES_SECRET,
    ISSUERS_CONFIG_MAP,
    LEASE,
    MUTATING_CONFIGURATION,
    NAME,
    NAMESPACE,
    VALIDATING_CONFIGURATION,
)
from crossfade_kube.meta import JsonObject

_RBAC: Final = "rbac.authorization.k8s.io"
_READ: Final = ("get", "list", "watch")
_OWN: Final = ("get", "update", "patch")


def access_manifests(labels: dict[str, str], *, reads_secrets: bool = False) -> list[JsonObject]:
    """Service account, roles and bindings."""
    subjects = [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]
    scoped = {"name": NAME, "namespace": NAMESPACE, "labels": labels}
    unscoped = {"name": NAME, "labels": labels}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": scoped},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": unscoped,
            "rules": _cluster_rules(reads_secrets),
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": unscoped,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": NAME},
            "subjects": subjects,
        },
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": scoped, "rules": _own_rules()},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": scoped,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": NAME},
            "subjects": subjects,
        },
    ]


def _cluster_rules(reads_secrets: bool) -> list[JsonObject]:
    kinds = sorted(ADMITTED.values())
    return [
        # Patching the objects themselves is for finalizers.
        _rule(GROUP, kinds, (*_READ, "patch")),
        _rule(GROUP, [f"{kind}/status" for kind in kinds], ("get", "patch")),
        _rule("", ["namespaces", "services"], _READ),
        _rule("discovery.k8s.io", ["endpointslices"], _READ),
        _rule("", ["pods"], _READ),
        *([_rule("", ["secrets"], _READ)] if reads_secrets else []),
        _rule("", ["events"], ("create", "patch")),
        # Whom sidecars trust, told in each of their namespaces; creating cannot be bound to a name.
        _rule("", ["configmaps"], ("create",)),
        {**_rule("", ["configmaps"], ("get", "patch")), "resourceNames": [AUTHORITY_BUNDLE]},
        _rule("authentication.k8s.io", ["tokenreviews"], ("create",)),
        {
            **_rule("admissionregistration.k8s.io", ["mutatingwebhookconfigurations"], (*_OWN, "list", "watch")),
            "resourceNames": [MUTATING_CONFIGURATION],
        },
        {
            **_rule("admissionregistration.k8s.io", ["validatingwebhookconfigurations"], (*_OWN, "list", "watch")),
            "resourceNames": [VALIDATING_CONFIGURATION],
        },
    ]


def _own_rules() -> list[JsonObject]:
    """In the controller's own namespace; creating cannot be bound to a name."""
    return [
        _rule("", ["secrets"], ("create",)),
        {**_rule("", ["secrets"], _OWN), "resourceNames": [CERTIFICATE_SECRET, IDENTITIES_SECRET]},
        _rule("", ["configmaps"], ("create",)),
        {**_rule("", ["configmaps"], ("get", "update")), "resourceNames": [ISSUERS_CONFIG_MAP]},
        # Identities that an issuer of cert-manager signs.
        _rule("cert-manager.io", ["certificaterequests"], ("create", "get", "list", "delete")),
        # The names of Cloud Map's services; they come and go.
        _rule("", ["services"], ("create", "patch", "delete")),
        _rule("discovery.k8s.io", ["endpointslices"], ("create", "patch", "delete")),
        _rule("coordination.k8s.io", ["leases"], ("create",)),
        {**_rule("coordination.k8s.io", ["leases"], _OWN), "resourceNames": [LEASE]},
    ]


def _rule(group: str, resources: list[str], verbs: tuple[str, ...]) -> JsonObject:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
