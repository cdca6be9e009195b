"""What a gateway's controller may do: no more than it asks for, which a test finds out."""

from typing import Any, Final

from crossfade.api.kong.service_facade import FACADE_GROUP
from crossfade.compile.gateway.acme_store import secret_names
from crossfade.install.gateway_chart.names import (
    ACCOUNT,
    ACME_SECRETS,
    CLUSTER_NAME,
    ELECTION,
    FULLNAME,
    WEBHOOK_NAME,
    WEBHOOK_SERVICE,
    manifest,
)
from crossfade.install.template.nodes import NAMESPACE, Given, Value, When, text
from crossfade_kube.meta import JsonObject

KONG_KINDS: Final = (
    "kongplugins",
    "kongclusterplugins",
    "kongconsumers",
    "kongconsumergroups",
    "kongingresses",
    "kongupstreampolicies",
    "kongvaults",
    "kongcustomentities",
)
# Kong's webhook has nothing to say on them.
_STREAM_KINDS: Final = ("tcpingresses", "udpingresses")
# What decides on requests of a virtual node.
_MESH_KINDS: Final = ("meshes", "virtualnodes", "virtualservices", "virtualrouters", "backendgroups")
_WITH_STATUS: Final = (*(kind for kind in KONG_KINDS if kind != "kongingresses"), *_STREAM_KINDS)
_RBAC: Final = "rbac.authorization.k8s.io"
_READS: Final = ["list", "watch"]
_WEBHOOK: Final = Value("ingressController.admissionWebhook.enabled")


def access() -> dict[str, Any]:
    made = Value("ingressController.rbac.create")
    return {
        "service-account.yaml": When(Value("deployment.serviceAccount.create"), _account()),
        "cluster-role.yaml": When(
            made, manifest(f"{_RBAC}/v1", "ClusterRole", CLUSTER_NAME, namespaced=False, rules=_cluster_rules())
        ),
        "cluster-role-binding.yaml": When(
            made,
            manifest(
                f"{_RBAC}/v1",
                "ClusterRoleBinding",
                CLUSTER_NAME,
                namespaced=False,
                **_binding("ClusterRole", CLUSTER_NAME),
            ),
        ),
        "role.yaml": When(made, manifest(f"{_RBAC}/v1", "Role", FULLNAME, rules=_own_rules())),
        "role-binding.yaml": When(made, manifest(f"{_RBAC}/v1", "RoleBinding", FULLNAME, **_binding("Role", FULLNAME))),
    }


def _account() -> JsonObject:
    return manifest("v1", "ServiceAccount", ACCOUNT, annotations=Given("deployment.serviceAccount.annotations"))


def _binding(kind: str, name: Any) -> JsonObject:
    return {
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
    }


def _own_rules() -> list[Any]:
    # The name is free, the number of Secrets is not.
    numbers = [one.name.removeprefix("x") for one in secret_names("", "x")]
    own = [*(text(*ACME_SECRETS.parts, number) for number in numbers), When(_WEBHOOK, WEBHOOK_SERVICE)]
    return [
        _rule("coordination.k8s.io", ["leases"], ["create"]),
        {**_rule("coordination.k8s.io", ["leases"], ["get", "update"]), "resourceNames": [ELECTION]},
        _rule("", ["secrets"], ["create"]),
        {**_rule("", ["secrets"], ["get", "update"]), "resourceNames": own},
    ]


def _cluster_rules() -> list[Any]:
    """Credentials may be in any namespace, so Secrets of all of them are read; no object is written but its status."""
    webhooks = _rule("admissionregistration.k8s.io", ["validatingwebhookconfigurations"], [*_READS, "get", "update"])
    return [
        _rule("", ["services", "secrets", "configmaps"], _READS),
        _rule("", ["events"], ["create", "patch"]),
        _rule("discovery.k8s.io", ["endpointslices"], _READS),
        _rule("networking.k8s.io", ["ingresses", "ingressclasses"], _READS),
        _rule("networking.k8s.io", ["ingresses/status"], ["patch"]),
        _rule("gateway.networking.k8s.io", ["referencegrants"], _READS),
        _rule("configuration.konghq.com", [*KONG_KINDS, *_STREAM_KINDS, "ingressclassparameterses"], _READS),
        _rule(FACADE_GROUP, ["kongservicefacades"], _READS),
        _rule(FACADE_GROUP, ["kongservicefacades/status"], ["patch"]),
        _rule("configuration.konghq.com", [f"{kind}/status" for kind in _WITH_STATUS], ["patch"]),
        When(
            Value("crossfade.meshNative"),
            (
                _rule("appmesh.k8s.aws", list(_MESH_KINDS), _READS),
                _rule("", ["namespaces", "pods"], _READS),
            ),
        ),
        # Who asks for records of requests, and whether they may; whoever may make this account's tokens sees them all.
        _rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
        _rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
        _rule("", ["pods/tap"], ["get"]),
        When(_WEBHOOK, {**webhooks, "resourceNames": [WEBHOOK_NAME]}),
    ]


def _rule(group: str, resources: list[str], verbs: list[str]) -> JsonObject:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
