"""The containers which an empty object of a built-in kind already has.

Kubernetes compares a created object with the zero value of its Go type: structs held by value are there from the
start, so creating the object doesn't count as adding them.
"""

from typing import Final

from crossfade_kube.meta import JsonObject

# A path that ends in "!" is a null list which is written even when empty.
_TEMPLATE: Final = ("template", "template.metadata", "template.spec", "template.spec.containers!")
_PATHS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("apps", "Deployment"): ("spec", "spec.strategy", *(f"spec.{path}" for path in _TEMPLATE), "status"),
    ("apps", "ReplicaSet"): ("spec", *(f"spec.{path}" for path in _TEMPLATE), "status"),
    ("apps", "StatefulSet"): ("spec", "spec.updateStrategy", *(f"spec.{path}" for path in _TEMPLATE), "status"),
    ("apps", "DaemonSet"): ("spec", "spec.updateStrategy", *(f"spec.{path}" for path in _TEMPLATE), "status"),
    ("batch", "Job"): ("spec", *(f"spec.{path}" for path in _TEMPLATE), "status"),
    ("batch", "CronJob"): (
        "spec",
        "spec.jobTemplate",
        "spec.jobTemplate.metadata",
        "spec.jobTemplate.spec",
        *(f"spec.jobTemplate.spec.{path}" for path in _TEMPLATE),
        "status",
    ),
    ("", "ReplicationController"): ("spec", "status"),
    ("", "Pod"): ("spec", "spec.containers!", "status"),
    ("", "Service"): ("spec", "status", "status.loadBalancer"),
    ("", "Namespace"): ("spec", "status"),
    ("", "Node"): (
        "spec",
        "status",
        "status.daemonEndpoints",
        "status.daemonEndpoints.kubeletEndpoint",
        "status.nodeInfo",
    ),
    ("", "Event"): ("involvedObject", "source"),
    ("events.k8s.io", "Event"): ("regarding", "deprecatedSource"),
    ("", "PersistentVolumeClaim"): ("spec", "spec.resources", "status"),
    ("networking.k8s.io", "Ingress"): ("spec", "status", "status.loadBalancer"),
    ("networking.k8s.io", "IngressClass"): ("spec",),
    ("autoscaling", "HorizontalPodAutoscaler"): ("spec", "spec.scaleTargetRef", "status"),
    ("policy", "PodDisruptionBudget"): ("spec", "status"),
    ("coordination.k8s.io", "Lease"): ("spec",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): ("spec", "spec.names", "status", "status.acceptedNames"),
}


def zero_object(obj: JsonObject) -> JsonObject:
    """The empty object of the same kind."""
    group = str(obj.get("apiVersion") or "").rpartition("/")[0]
    zero: JsonObject = {key: obj[key] for key in ("apiVersion", "kind") if key in obj}
    zero["metadata"] = {}
    for path in _PATHS.get((group, str(obj.get("kind") or "")), ()):
        parent = zero
        *parents, name = path.split(".")
        for step in parents:
            parent = parent[step]
        parent[name.removesuffix("!")] = None if name.endswith("!") else {}
    return zero


# What the server fills in after it noted who sent which field; so nobody manages these until someone writes them.
_FILLED_IN: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("", "Pod"): ("preemptionPolicy", "priority", "serviceAccount", "serviceAccountName", "tolerations"),
    ("", "Service"): ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"),
}
_SENT_BY_NOBODY: Final = frozenset({"default", "PreemptLowerPriority"})
_DEFAULT_TOLERATIONS: Final = 2


def filled_in(obj: JsonObject) -> list[tuple[str, ...]]:
    """Paths of a new object that no client sent, as far as their values tell."""
    spec = obj.get("spec") or {}
    names = _FILLED_IN.get((str(obj.get("apiVersion") or "").rpartition("/")[0], str(obj.get("kind") or "")), ())
    return [("spec", name) for name in names if not _was_sent(name, spec.get(name))]


def _was_sent(name: str, value: object) -> bool:
    if name == "tolerations":
        return isinstance(value, list) and len(value) > _DEFAULT_TOLERATIONS
    if name in ("clusterIP", "clusterIPs"):
        return value in ("None", ["None"])
    return isinstance(value, str) and name != "ipFamilyPolicy" and value not in _SENT_BY_NOBODY
