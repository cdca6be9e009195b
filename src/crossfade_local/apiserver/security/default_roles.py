"""The ClusterRoles and bindings that Kubernetes ships with, as far as the embedded cluster has use for them."""

from typing import Final

from crossfade_kube.meta import JsonObject

_GROUP: Final = "rbac.authorization.k8s.io"
_LABELS: Final = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_READ: Final = ["get", "list", "watch"]
_WRITE: Final = ["create", "delete", "deletecollection", "patch", "update"]

_CORE_READ: Final = [
    "configmaps",
    "endpoints",
    "persistentvolumeclaims",
    "persistentvolumeclaims/status",
    "pods",
    "replicationcontrollers",
    "replicationcontrollers/scale",
    "serviceaccounts",
    "services",
    "services/status",
]
_CORE_STATUS: Final = [
    "bindings",
    "events",
    "limitranges",
    "namespaces/status",
    "pods/log",
    "pods/status",
    "replicationcontrollers/status",
    "resourcequotas",
    "resourcequotas/status",
    "namespaces",
]
_APPS: Final = [
    "controllerrevisions",
    "daemonsets",
    "daemonsets/status",
    "deployments",
    "deployments/scale",
    "deployments/status",
    "replicasets",
    "replicasets/scale",
    "replicasets/status",
    "statefulsets",
    "statefulsets/scale",
    "statefulsets/status",
]
_APPS_WRITE: Final = [
    "daemonsets",
    "deployments",
    "deployments/rollback",
    "deployments/scale",
    "replicasets",
    "replicasets/scale",
    "statefulsets",
    "statefulsets/scale",
]


# Nothing is served here in this group but Ingresses; whoever grants what its holder may do elsewhere has to hold it.
_EXTENSIONS_WRITE: Final = [
    "daemonsets",
    "deployments",
    "deployments/rollback",
    "deployments/scale",
    "ingresses",
    "networkpolicies",
    "replicasets",
    "replicasets/scale",
    "replicationcontrollers/scale",
]
_EXTENSIONS_READ: Final = [
    *(name for name in _EXTENSIONS_WRITE if name != "deployments/rollback"),
    "daemonsets/status",
    "deployments/status",
    "ingresses/status",
    "replicasets/status",
]


def _rule(groups: list[str], resources: list[str], verbs: list[str]) -> JsonObject:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}


def _approval(signer: str) -> JsonObject:
    return {**_rule(["certificates.k8s.io"], ["signers"], ["approve"]), "resourceNames": [signer]}


_VIEW: Final = [
    _rule([""], _CORE_READ, _READ),
    _rule([""], _CORE_STATUS, _READ),
    _rule(["discovery.k8s.io"], ["endpointslices"], _READ),
    _rule(["apps"], _APPS, _READ),
    _rule(["autoscaling"], ["horizontalpodautoscalers", "horizontalpodautoscalers/status"], _READ),
    _rule(["batch"], ["cronjobs", "cronjobs/status", "jobs", "jobs/status"], _READ),
    _rule(["events.k8s.io"], ["events"], _READ),
    _rule(["extensions"], _EXTENSIONS_READ, _READ),
    _rule(["policy"], ["poddisruptionbudgets", "poddisruptionbudgets/status"], _READ),
    _rule(["networking.k8s.io"], ["ingresses", "ingresses/status", "networkpolicies"], _READ),
    _rule(["resource.k8s.io"], ["resourceclaims", "resourceclaims/status", "resourceclaimtemplates"], _READ),
]
_EDIT: Final = [
    _rule(
        [""],
        ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"],
        _READ,
    ),
    _rule([""], ["serviceaccounts"], ["impersonate"]),
    _rule([""], ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"], _WRITE),
    _rule([""], ["pods/eviction"], ["create"]),
    _rule(
        [""],
        [
            "configmaps",
            "events",
            "persistentvolumeclaims",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "secrets",
            "serviceaccounts",
            "services",
            "services/proxy",
        ],
        _WRITE,
    ),
    _rule([""], ["serviceaccounts/token"], ["create"]),
    _rule(["apps"], _APPS_WRITE, _WRITE),
    _rule(["autoscaling"], ["horizontalpodautoscalers"], _WRITE),
    _rule(["batch"], ["cronjobs", "jobs"], _WRITE),
    _rule(["events.k8s.io"], ["events"], _WRITE),
    _rule(["extensions"], _EXTENSIONS_WRITE, _WRITE),
    _rule(["policy"], ["poddisruptionbudgets"], _WRITE),
    _rule(["networking.k8s.io"], ["ingresses", "networkpolicies"], _WRITE),
    _rule(["coordination.k8s.io"], ["leases"], sorted([*_WRITE, *_READ])),
    _rule(["resource.k8s.io"], ["resourceclaims", "resourceclaimtemplates"], _WRITE),
]
_ADMIN: Final = [
    _rule(["authorization.k8s.io"], ["localsubjectaccessreviews"], ["create"]),
    _rule([_GROUP], ["rolebindings", "roles"], [*_WRITE, *_READ]),
]
_USAGE: Final = [_rule(["metrics.k8s.io"], ["pods", "nodes"], _READ)]
_AGGREGATE: Final = f"{_GROUP}/aggregate-to-"
_DISCOVERY_PATHS: Final = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
]
_ISSUER_PATHS: Final = [
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/",
    "/openid/v1/jwks",
    "/openid/v1/jwks/",
]
_PUBLIC_PATHS: Final = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
_MONITORING_PATHS: Final = [
    "/flagz",
    "/healthz",
    "/healthz/*",
    "/livez",
    "/livez/*",
    "/metrics",
    "/metrics/slis",
    "/readyz",
    "/readyz/*",
    "/statusz",
]
# Role → (rules, groups that hold it cluster-wide)
_ROLES: Final[dict[str, tuple[list[JsonObject], tuple[str, ...]]]] = {
    "cluster-admin": (
        [_rule(["*"], ["*"], ["*"]), {"nonResourceURLs": ["*"], "verbs": ["*"]}],
        ("system:masters",),
    ),
    "system:basic-user": (
        [
            _rule(["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ["create"]),
            _rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
        ],
        ("system:authenticated",),
    ),
    "system:discovery": ([{"nonResourceURLs": _DISCOVERY_PATHS, "verbs": ["get"]}], ("system:authenticated",)),
    "system:public-info-viewer": (
        [{"nonResourceURLs": _PUBLIC_PATHS, "verbs": ["get"]}],
        ("system:authenticated", "system:unauthenticated"),
    ),
    "system:monitoring": (
        [{"nonResourceURLs": _MONITORING_PATHS, "verbs": ["get"]}, _rule([""], ["nodes/metrics"], ["get"])],
        ("system:monitoring",),
    ),
    "system:service-account-issuer-discovery": (
        [{"nonResourceURLs": _ISSUER_PATHS, "verbs": ["get"]}],
        ("system:serviceaccounts",),
    ),
    "system:auth-delegator": (
        [
            _rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
            _rule(["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
        ],
        (),
    ),
    **{
        f"system:certificates.k8s.io:{signer}-approver": ([_approval(f"kubernetes.io/{signer}")], ())
        for signer in ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving", "legacy-unknown")
    },
    **{
        f"system:certificates.k8s.io:certificatesigningrequests:{way}": (
            [_rule(["certificates.k8s.io"], [f"certificatesigningrequests/{way}"], ["create"])],
            (),
        )
        for way in ("nodeclient", "selfnodeclient")
    },
    "system:aggregate-to-view": (_VIEW, ()),
    "system:aggregate-to-edit": (_EDIT, ()),
    "system:aggregate-to-admin": (_ADMIN, ()),
    "system:aggregated-metrics-reader": (_USAGE, ()),
}
_AGGREGATED: Final = {
    "view": [*_VIEW, *_USAGE],
    "edit": [*_EDIT, *_USAGE, *_VIEW],
    "admin": [*_ADMIN, *_USAGE, *_EDIT, *_VIEW],
}


def default_roles() -> list[tuple[str, str, JsonObject]]:
    """(bucket, namespace, object) of each ClusterRole and ClusterRoleBinding."""
    found = [_role(name, rules) for name, (rules, _) in _ROLES.items()]
    found += [_aggregated(name, rules) for name, rules in _AGGREGATED.items()]
    bindings = [_binding(name, groups) for name, (_, groups) in _ROLES.items() if groups]
    return [(f"{_GROUP}/clusterroles", "", role) for role in found] + [
        (f"{_GROUP}/clusterrolebindings", "", binding) for binding in bindings
    ]


def _metadata(name: str) -> JsonObject:
    annotations = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    labels = dict(_LABELS)
    for target in ("view", "edit", "admin"):
        if name in (f"system:aggregate-to-{target}", "system:aggregated-metrics-reader"):
            labels[f"{_AGGREGATE}{target}"] = "true"
    if name in ("view", "edit"):
        # What may be viewed may be edited by editors, and so on upwards.
        labels[f"{_AGGREGATE}{'edit' if name == 'view' else 'admin'}"] = "true"
    return {"name": name, "labels": labels, "annotations": annotations}


def _role(name: str, rules: list[JsonObject]) -> JsonObject:
    return {"metadata": _metadata(name), "rules": rules}


def _aggregated(name: str, rules: list[JsonObject]) -> JsonObject:
    selectors = [{"matchLabels": {f"{_AGGREGATE}{name}": "true"}}]
    return {**_role(name, rules), "aggregationRule": {"clusterRoleSelectors": selectors}}


def _binding(name: str, groups: tuple[str, ...]) -> JsonObject:
    return {
        "metadata": _metadata(name),
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": _GROUP, "kind": "Group", "name": group} for group in groups],
    }
