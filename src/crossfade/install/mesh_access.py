"""What the mesh controller may do in a cluster: no more than it does."""

from typing import Any, Final

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
    VALIDATING_CONFIGURATION,
)
from crossfade.install.template.nodes import NAMESPACE, Given, Merged, Named, Value, When, first_of
from crossfade_kube.meta import JsonObject

_WITHOUT_STATUS: Final = "backendgroups"
_RBAC: Final = "rbac.authorization.k8s.io"
_WATCH: Final = ("list", "watch")
_READ: Final = ("get", *_WATCH)
_KEEP: Final = ("get", "update")


ACCOUNT: Final = Named(
    "appmesh-controller.serviceAccountName",
    When(
        Value("serviceAccount.create"),
        first_of(Value("serviceAccount.name"), NAME),
        first_of(Value("serviceAccount.name"), "default"),
    ),
)


def access_manifests(labels: Merged) -> dict[str, Any]:
    """Service account, roles and bindings."""
    subjects = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]
    scoped = {"name": NAME, "namespace": NAMESPACE, "labels": labels}
    unscoped = {"name": NAME, "labels": labels}
    account = {"name": ACCOUNT, "namespace": NAMESPACE, "labels": labels}
    made = Value("rbac.create")
    return {
        "service-account.yaml": When(
            Value("serviceAccount.create"),
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {**account, "annotations": Given("serviceAccount.annotations")},
            },
        ),
        "cluster-role.yaml": When(made, _role("ClusterRole", unscoped, _cluster_rules())),
        "cluster-role-binding.yaml": When(made, _binding("ClusterRole", unscoped, subjects)),
        "role.yaml": When(made, _role("Role", scoped, _own_rules())),
        "role-binding.yaml": When(made, _binding("Role", scoped, subjects)),
    }


def _role(kind: str, metadata: JsonObject, rules: list[Any]) -> JsonObject:
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules}


def _binding(kind: str, metadata: JsonObject, subjects: list[JsonObject]) -> JsonObject:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": NAME},
        "subjects": subjects,
    }


def _cluster_rules() -> list[Any]:
    kinds = sorted(ADMITTED.values())
    return [
        # Patching the objects themselves is for finalizers.
        _rule(GROUP, kinds, (*_WATCH, "patch")),
        _rule(GROUP, [f"{kind}/status" for kind in kinds if kind != _WITHOUT_STATUS], ("patch",)),
        _rule("", ["namespaces", "pods"], _READ),
        _rule("", ["services"], _WATCH),
        _rule("discovery.k8s.io", ["endpointslices"], _WATCH),
        When(Value("crossfade.acmSecrets"), _rule("", ["secrets"], _WATCH)),
        _rule("", ["events"], ("create", "patch")),
        # A pod whose proxy is missed says so.
        _rule("", ["pods/status"], ("patch",)),
        # Whom sidecars trust, told in each of their namespaces; creating cannot be bound to a name.
        _rule("", ["configmaps"], ("create",)),
        {**_rule("", ["configmaps"], ("get", "patch")), "resourceNames": [AUTHORITY_BUNDLE]},
        _rule("authentication.k8s.io", ["tokenreviews"], ("create",)),
        # Whether who asks for records of requests may; whoever may make this account's tokens sees them all.
        _rule("authorization.k8s.io", ["subjectaccessreviews"], ("create",)),
        _rule("", ["pods/tap"], ("get",)),
        {
            **_rule("admissionregistration.k8s.io", ["mutatingwebhookconfigurations"], (*_KEEP, *_WATCH)),
            "resourceNames": [MUTATING_CONFIGURATION],
        },
        {
            **_rule("admissionregistration.k8s.io", ["validatingwebhookconfigurations"], (*_KEEP, *_WATCH)),
            "resourceNames": [VALIDATING_CONFIGURATION],
        },
    ]


def _own_rules() -> list[JsonObject]:
    """In the controller's own namespace; creating cannot be bound to a name."""
    return [
        _rule("", ["secrets"], ("create",)),
        {**_rule("", ["secrets"], _KEEP), "resourceNames": [CERTIFICATE_SECRET, IDENTITIES_SECRET]},
        _rule("", ["configmaps"], ("create",)),
        {**_rule("", ["configmaps"], _KEEP), "resourceNames": [ISSUERS_CONFIG_MAP]},
        # Identities that an issuer of cert-manager signs.
        _rule("cert-manager.io", ["certificaterequests"], ("create", "get", "list", "delete")),
        # The names of Cloud Map's services; they come and go.
        _rule("", ["services"], ("create", "patch", "delete")),
        _rule("discovery.k8s.io", ["endpointslices"], ("create", "patch", "delete")),
        _rule("coordination.k8s.io", ["leases"], ("create",)),
        {**_rule("coordination.k8s.io", ["leases"], _KEEP), "resourceNames": [LEASE]},
    ]


def _rule(group: str, resources: list[str], verbs: tuple[str, ...]) -> JsonObject:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
