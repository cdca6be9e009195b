"""The table of built-in resources: what is served, under which names, with which verbs and subresources."""

from typing import Final, NamedTuple

ALL: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE: Final = ("create",)
STATUS: Final = ("get", "patch", "update")
_AUTOSCALING_SCALE: Final = ("autoscaling", "v1", "Scale")


class SubresourceRow(NamedTuple):
    """A subresource; `gvk` is None where it speaks its parent's kind."""

    name: str
    verbs: tuple[str, ...]
    gvk: tuple[str, str, str] | None = None


class ResourceRow(NamedTuple):
    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[SubresourceRow, ...] = ()
    verbs: tuple[str, ...] = ALL
    stored_as: tuple[str, str, str] | None = None
    """(group, version, plural) of the stored form, where it differs."""
    counts_generation: bool = False


STATUS_SUB: Final = SubresourceRow("status", STATUS)
SCALE_SUB: Final = SubresourceRow("scale", STATUS, _AUTOSCALING_SCALE)
_STREAM: Final = ("create", "get")
_PROXIED: Final = ("create", "delete", "get", "patch", "update")
_NODE_SUBS: Final = (SubresourceRow("proxy", _PROXIED, ("", "v1", "NodeProxyOptions")), STATUS_SUB)
_SERVICE_SUBS: Final = (SubresourceRow("proxy", _PROXIED, ("", "v1", "ServiceProxyOptions")), STATUS_SUB)
_POD_SUBS: Final = (
    SubresourceRow("attach", _STREAM, ("", "v1", "PodAttachOptions")),
    SubresourceRow("binding", CREATE, ("", "v1", "Binding")),
    SubresourceRow("ephemeralcontainers", STATUS),
    SubresourceRow("eviction", CREATE, ("policy", "v1", "Eviction")),
    SubresourceRow("exec", _STREAM, ("", "v1", "PodExecOptions")),
    SubresourceRow("log", ("get",)),
    SubresourceRow("portforward", _STREAM, ("", "v1", "PodPortForwardOptions")),
    SubresourceRow("proxy", _PROXIED, ("", "v1", "PodProxyOptions")),
    SubresourceRow("resize", STATUS),
    STATUS_SUB,
)
_MEASURED: Final = ("get", "list")
_ADMISSION: Final = "admissionregistration.k8s.io"
_RBAC: Final = "rbac.authorization.k8s.io"
_NETWORKING: Final = "networking.k8s.io"
_STORAGE: Final = "storage.k8s.io"
_EXTENSIONS: Final = "apiextensions.k8s.io"
_INGRESS: Final = (_NETWORKING, "v1", "ingresses")
_EVERYTHING: Final = ("all",)
_API: Final = ("api-extensions",)
_WORKLOAD: Final = (STATUS_SUB, SCALE_SUB)

ROWS: Final = (
    ResourceRow("", "v1", "bindings", "Binding", verbs=CREATE),
    ResourceRow("", "v1", "configmaps", "ConfigMap", short_names=("cm",)),
    ResourceRow("", "v1", "endpoints", "Endpoints", short_names=("ep",)),
    ResourceRow("", "v1", "events", "Event", short_names=("ev",)),
    ResourceRow("", "v1", "limitranges", "LimitRange", short_names=("limits",)),
    ResourceRow(
        "",
        "v1",
        "namespaces",
        "Namespace",
        namespaced=False,
        short_names=("ns",),
        verbs=tuple(verb for verb in ALL if verb != "deletecollection"),
        subresources=(SubresourceRow("finalize", ("update",)), STATUS_SUB),
    ),
    ResourceRow("", "v1", "nodes", "Node", namespaced=False, short_names=("no",), subresources=_NODE_SUBS),
    ResourceRow(
        "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",), subresources=(STATUS_SUB,)
    ),
    ResourceRow(
        "",
        "v1",
        "persistentvolumes",
        "PersistentVolume",
        namespaced=False,
        short_names=("pv",),
        subresources=(STATUS_SUB,),
    ),
    ResourceRow(
        "",
        "v1",
        "pods",
        "Pod",
        short_names=("po",),
        categories=_EVERYTHING,
        subresources=_POD_SUBS,
        counts_generation=True,
    ),
    ResourceRow("", "v1", "podtemplates", "PodTemplate", counts_generation=True),
    ResourceRow(
        "",
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        short_names=("rc",),
        categories=_EVERYTHING,
        subresources=_WORKLOAD,
        counts_generation=True,
    ),
    ResourceRow("", "v1", "resourcequotas", "ResourceQuota", short_names=("quota",), subresources=(STATUS_SUB,)),
    ResourceRow("", "v1", "secrets", "Secret"),
    ResourceRow(
        "",
        "v1",
        "serviceaccounts",
        "ServiceAccount",
        short_names=("sa",),
        subresources=(SubresourceRow("token", CREATE, ("authentication.k8s.io", "v1", "TokenRequest")),),
    ),
    ResourceRow(
        "", "v1", "services", "Service", short_names=("svc",), categories=_EVERYTHING, subresources=_SERVICE_SUBS
    ),
    ResourceRow(
        _ADMISSION,
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        namespaced=False,
        categories=_API,
        counts_generation=True,
    ),
    ResourceRow(
        _ADMISSION,
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        namespaced=False,
        categories=_API,
        counts_generation=True,
    ),
    ResourceRow(
        _ADMISSION,
        "v1",
        "mutatingadmissionpolicies",
        "MutatingAdmissionPolicy",
        namespaced=False,
        categories=_API,
        counts_generation=True,
    ),
    ResourceRow(
        _ADMISSION,
        "v1",
        "mutatingadmissionpolicybindings",
        "MutatingAdmissionPolicyBinding",
        namespaced=False,
        categories=_API,
        counts_generation=True,
    ),
    ResourceRow(
        _ADMISSION,
        "v1",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        namespaced=False,
        categories=_API,
        subresources=(STATUS_SUB,),
        counts_generation=True,
    ),
    ResourceRow(
        _ADMISSION,
        "v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        namespaced=False,
        categories=_API,
        counts_generation=True,
    ),
    ResourceRow(
        _EXTENSIONS,
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=_API,
        subresources=(STATUS_SUB,),
        counts_generation=True,
    ),
    ResourceRow(
        _EXTENSIONS,
        "v1beta1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=_API,
        subresources=(STATUS_SUB,),
        stored_as=(_EXTENSIONS, "v1", "customresourcedefinitions"),
        counts_generation=True,
    ),
    ResourceRow(
        "apiregistration.k8s.io",
        "v1",
        "apiservices",
        "APIService",
        namespaced=False,
        categories=_API,
        subresources=(STATUS_SUB,),
    ),
    ResourceRow("apps", "v1", "controllerrevisions", "ControllerRevision"),
    ResourceRow(
        "apps",
        "v1",
        "daemonsets",
        "DaemonSet",
        short_names=("ds",),
        categories=_EVERYTHING,
        subresources=(STATUS_SUB,),
        counts_generation=True,
    ),
    ResourceRow(
        "apps",
        "v1",
        "deployments",
        "Deployment",
        short_names=("deploy",),
        categories=_EVERYTHING,
        subresources=_WORKLOAD,
        counts_generation=True,
    ),
    ResourceRow(
        "apps",
        "v1",
        "replicasets",
        "ReplicaSet",
        short_names=("rs",),
        categories=_EVERYTHING,
        subresources=_WORKLOAD,
        counts_generation=True,
    ),
    ResourceRow(
        "apps",
        "v1",
        "statefulsets",
        "StatefulSet",
        short_names=("sts",),
        categories=_EVERYTHING,
        subresources=_WORKLOAD,
        counts_generation=True,
    ),
    ResourceRow(
        "authentication.k8s.io",
        "v1",
        "selfsubjectreviews",
        "SelfSubjectReview",
        namespaced=False,
        verbs=CREATE,
    ),
    ResourceRow("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False, verbs=CREATE),
    ResourceRow("authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs=CREATE),
    ResourceRow(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        namespaced=False,
        verbs=CREATE,
    ),
    ResourceRow(
        "authorization.k8s.io",
        "v1",
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        namespaced=False,
        verbs=CREATE,
    ),
    ResourceRow(
        "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False, verbs=CREATE
    ),
    ResourceRow(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=_EVERYTHING,
        subresources=(STATUS_SUB,),
    ),
    ResourceRow(
        "autoscaling",
        "v1",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=_EVERYTHING,
        subresources=(STATUS_SUB,),
        stored_as=("autoscaling", "v2", "horizontalpodautoscalers"),
    ),
    ResourceRow(
        "autoscaling",
        "v2beta2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=_EVERYTHING,
        subresources=(STATUS_SUB,),
        stored_as=("autoscaling", "v2", "horizontalpodautoscalers"),
    ),
    ResourceRow(
        "batch",
        "v1",
        "cronjobs",
        "CronJob",
        short_names=("cj",),
        categories=_EVERYTHING,
        subresources=(STATUS_SUB,),
        counts_generation=True,
    ),
    ResourceRow(
        "batch",
        "v1",
        "jobs",
        "Job",
        categories=_EVERYTHING,
        subresources=(STATUS_SUB,),
        counts_generation=True,
    ),
    ResourceRow(
        "certificates.k8s.io",
        "v1",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        namespaced=False,
        short_names=("csr",),
        subresources=(SubresourceRow("approval", STATUS), STATUS_SUB),
    ),
    ResourceRow("coordination.k8s.io", "v1", "leases", "Lease"),
    ResourceRow("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", counts_generation=True),
    ResourceRow("events.k8s.io", "v1", "events", "Event", short_names=("ev",), stored_as=("", "v1", "events")),
    ResourceRow(
        "extensions",
        "v1beta1",
        "ingresses",
        "Ingress",
        subresources=(STATUS_SUB,),
        stored_as=_INGRESS,
        counts_generation=True,
    ),
    ResourceRow(
        _NETWORKING,
        "v1",
        "ingresses",
        "Ingress",
        short_names=("ing",),
        subresources=(STATUS_SUB,),
        counts_generation=True,
    ),
    ResourceRow(
        _NETWORKING,
        "v1beta1",
        "ingresses",
        "Ingress",
        short_names=("ing",),
        subresources=(STATUS_SUB,),
        stored_as=_INGRESS,
        counts_generation=True,
    ),
    ResourceRow(_NETWORKING, "v1", "ingressclasses", "IngressClass", namespaced=False, counts_generation=True),
    ResourceRow(_NETWORKING, "v1", "networkpolicies", "NetworkPolicy", short_names=("netpol",), counts_generation=True),
    ResourceRow("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False),
    ResourceRow(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        short_names=("pdb",),
        subresources=(STATUS_SUB,),
        counts_generation=True,
    ),
    ResourceRow(
        "policy",
        "v1beta1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        short_names=("pdb",),
        subresources=(STATUS_SUB,),
        stored_as=("policy", "v1", "poddisruptionbudgets"),
        counts_generation=True,
    ),
    ResourceRow(
        "policy", "v1beta1", "podsecuritypolicies", "PodSecurityPolicy", namespaced=False, short_names=("psp",)
    ),
    *(
        ResourceRow(_RBAC, version, plural, kind, namespaced=namespaced, stored_as=(_RBAC, "v1", plural))
        for version in ("v1", "v1beta1")
        for plural, kind, namespaced in (
            ("clusterrolebindings", "ClusterRoleBinding", False),
            ("clusterroles", "ClusterRole", False),
            ("rolebindings", "RoleBinding", True),
            ("roles", "Role", True),
        )
    ),
    ResourceRow(
        "scheduling.k8s.io",
        "v1",
        "priorityclasses",
        "PriorityClass",
        namespaced=False,
        short_names=("pc",),
        counts_generation=True,
    ),
    ResourceRow(_STORAGE, "v1", "csidrivers", "CSIDriver", namespaced=False),
    ResourceRow(_STORAGE, "v1", "csinodes", "CSINode", namespaced=False),
    ResourceRow(_STORAGE, "v1", "storageclasses", "StorageClass", namespaced=False, short_names=("sc",)),
    ResourceRow(_STORAGE, "v1", "volumeattachments", "VolumeAttachment", namespaced=False, subresources=(STATUS_SUB,)),
    ResourceRow("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", namespaced=False, verbs=_MEASURED),
    ResourceRow("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", verbs=_MEASURED),
)
"""Groups keep this order in discovery, versions the preferred one first."""
