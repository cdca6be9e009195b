"""The columns of each built-in kind, in kubectl's order."""

from typing import Final

from crossfade_local.apiserver.printers import cluster, drivers, network, workloads
from crossfade_local.apiserver.printers.columns import NAME, Column, Printer, columns
from crossfade_local.apiserver.printers.pods import pod_cells

_TEMPLATE: Final = ("Containers", "Images", "Selector")
_SUBJECTS: Final = ("Users", "Groups", "ServiceAccounts")
_RBAC: Final = "rbac.authorization.k8s.io"
_HOOKS: Final = "admissionregistration.k8s.io"
_EVENT: Final = Printer(
    (
        *columns("Last Seen", "Type", "Reason", "Object"),
        *columns(wide=("Subobject", "Source")),
        Column("Message"),
        *columns(wide=("First Seen", "Count", "Name")),
    ),
    cluster.event_cells,
)
_WEBHOOKS: Final = Printer(columns("Name", "Webhooks:integer", "Age"), cluster.webhooks_cells)
_POLICY_BINDING: Final = Printer(columns("Name", "PolicyName", "ParamRef", "Age"), cluster.policy_binding_cells)
_BINDING: Final = Printer(columns("Name", "Role", "Age", wide=_SUBJECTS), cluster.binding_cells)
_REPLICAS: Final = columns("Name", "Desired:integer", "Current:integer", "Ready:integer", "Age", wide=_TEMPLATE)
_NAME_AGE: Final = Printer(columns("Name", "Age"), cluster.plain_cells)
CREATED_AT: Final = Printer((NAME, Column("Created At", "date")), cluster.created_cells)
"""For every kind without a printer of its own."""

PRINTERS: Final[dict[tuple[str, str], Printer]] = {
    ("", "ConfigMap"): Printer(columns("Name", "Data", "Age"), cluster.config_map_cells),
    ("", "Endpoints"): Printer(columns("Name", "Endpoints", "Age"), network.endpoints_cells),
    ("", "Event"): _EVENT,
    ("", "Namespace"): Printer(columns("Name", "Status", "Age"), cluster.namespace_cells),
    ("", "Node"): Printer(
        columns(
            "Name",
            "Status",
            "Roles",
            "Age",
            "Version",
            wide=("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
        ),
        cluster.node_cells,
    ),
    ("", "PersistentVolume"): Printer(
        columns(
            "Name",
            "Capacity",
            "Access Modes",
            "Reclaim Policy",
            "Status",
            "Claim",
            "StorageClass",
            "VolumeAttributesClass",
            "Reason",
            "Age",
            wide=("VolumeMode",),
        ),
        cluster.volume_cells,
    ),
    ("", "PersistentVolumeClaim"): Printer(
        columns(
            "Name",
            "Status",
            "Volume",
            "Capacity",
            "Access Modes",
            "StorageClass",
            "VolumeAttributesClass",
            "Age",
            wide=("VolumeMode",),
        ),
        cluster.claim_cells,
    ),
    ("", "Pod"): Printer(
        columns(
            "Name",
            "Ready",
            "Status",
            "Restarts",
            "Age",
            wide=("IP", "Node", "Nominated Node", "Readiness Gates"),
        ),
        pod_cells,
    ),
    ("", "PodTemplate"): Printer(columns("Name", "Containers", "Images", "Pod Labels"), workloads.pod_template_cells),
    ("", "ReplicationController"): Printer(_REPLICAS, workloads.replication_controller_cells),
    ("", "ResourceQuota"): Printer(columns("Name", "Request", "Limit", "Age"), cluster.quota_cells),
    ("", "Secret"): Printer(columns("Name", "Type", "Data", "Age"), cluster.secret_cells),
    ("", "Service"): Printer(
        columns("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", wide=("Selector",)),
        network.service_cells,
    ),
    ("", "ServiceAccount"): _NAME_AGE,
    (_HOOKS, "MutatingWebhookConfiguration"): _WEBHOOKS,
    (_HOOKS, "ValidatingWebhookConfiguration"): _WEBHOOKS,
    (_HOOKS, "MutatingAdmissionPolicy"): Printer(
        columns("Name", "Mutations:integer", "ParamKind", "Age"), cluster.policy_cells
    ),
    (_HOOKS, "MutatingAdmissionPolicyBinding"): _POLICY_BINDING,
    (_HOOKS, "ValidatingAdmissionPolicy"): Printer(
        columns("Name", "Validations:integer", "ParamKind", "Age"), cluster.policy_cells
    ),
    (_HOOKS, "ValidatingAdmissionPolicyBinding"): _POLICY_BINDING,
    ("apiregistration.k8s.io", "APIService"): Printer(
        columns("Name", "Service", "Available", "Age"), cluster.api_service_cells
    ),
    ("apps", "ControllerRevision"): Printer(
        columns("Name", "Controller", "Revision", "Age"), cluster.controller_revision_cells
    ),
    ("apps", "DaemonSet"): Printer(
        columns(
            "Name",
            "Desired:integer",
            "Current:integer",
            "Ready:integer",
            "Up-to-date:integer",
            "Available:integer",
            "Node Selector",
            "Age",
            wide=_TEMPLATE,
        ),
        workloads.daemon_set_cells,
    ),
    ("apps", "Deployment"): Printer(
        columns("Name", "Ready", "Up-to-date", "Available", "Age", wide=_TEMPLATE), workloads.deployment_cells
    ),
    ("apps", "ReplicaSet"): Printer(_REPLICAS, workloads.replica_set_cells),
    ("apps", "StatefulSet"): Printer(
        columns("Name", "Ready", "Age", wide=("Containers", "Images")), workloads.stateful_set_cells
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): Printer(
        columns("Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"), workloads.autoscaler_cells
    ),
    ("autoscaling", "Scale"): Printer(
        columns("Name", "Desired:integer", "Available:integer", "Age"), cluster.scale_cells
    ),
    ("batch", "CronJob"): Printer(
        columns(
            "Name",
            "Schedule",
            "Timezone",
            "Suspend:boolean",
            "Active:integer",
            "Last Schedule",
            "Age",
            wide=_TEMPLATE,
        ),
        workloads.cron_job_cells,
    ),
    ("batch", "Job"): Printer(
        columns("Name", "Status", "Completions", "Duration", "Age", wide=_TEMPLATE), workloads.job_cells
    ),
    ("certificates.k8s.io", "CertificateSigningRequest"): Printer(
        columns("Name", "Age", "SignerName", "Requestor", "RequestedDuration", "Condition"), cluster.request_cells
    ),
    ("coordination.k8s.io", "Lease"): Printer(columns("Name", "Holder", "Age"), cluster.lease_cells),
    ("discovery.k8s.io", "EndpointSlice"): Printer(
        columns("Name", "AddressType", "Ports", "Endpoints", "Age"), network.endpoint_slice_cells
    ),
    ("events.k8s.io", "Event"): _EVENT,
    ("metrics.k8s.io", "NodeMetrics"): Printer(columns("Name", "CPU", "Memory", "Window"), cluster.node_usage_cells),
    ("metrics.k8s.io", "PodMetrics"): Printer(columns("Name", "CPU", "Memory", "Window"), cluster.pod_usage_cells),
    ("networking.k8s.io", "Ingress"): Printer(
        columns("Name", "Class", "Hosts", "Address", "Ports", "Age"), network.ingress_cells
    ),
    ("networking.k8s.io", "IngressClass"): Printer(
        columns("Name", "Controller", "Parameters", "Age"), network.ingress_class_cells
    ),
    ("networking.k8s.io", "NetworkPolicy"): Printer(
        columns("Name", "Pod-Selector", "Age"), network.network_policy_cells
    ),
    ("node.k8s.io", "RuntimeClass"): Printer(columns("Name", "Handler", "Age"), cluster.runtime_class_cells),
    ("policy", "PodDisruptionBudget"): Printer(
        columns("Name", "Min Available", "Max Unavailable", "Allowed Disruptions:integer", "Age"),
        workloads.disruption_budget_cells,
    ),
    (_RBAC, "ClusterRoleBinding"): _BINDING,
    (_RBAC, "RoleBinding"): _BINDING,
    ("scheduling.k8s.io", "PriorityClass"): Printer(
        columns("Name", "Value:integer", "Global-Default:boolean", "Age", "PreemptionPolicy"),
        cluster.priority_class_cells,
    ),
    ("storage.k8s.io", "CSIDriver"): Printer(
        columns(
            "Name",
            "AttachRequired:boolean",
            "PodInfoOnMount:boolean",
            "StorageCapacity:boolean",
            "TokenRequests",
            "RequiresRepublish:boolean",
            "Modes",
            "Age",
        ),
        drivers.driver_cells,
    ),
    ("storage.k8s.io", "CSINode"): Printer(columns("Name", "Drivers:integer", "Age"), drivers.node_cells),
    ("storage.k8s.io", "VolumeAttachment"): Printer(
        columns("Name", Column("Attacher", format="name"), "PV", "Node", "Attached:boolean", "Age"),
        drivers.attachment_cells,
    ),
    ("storage.k8s.io", "StorageClass"): Printer(
        columns("Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"),
        cluster.storage_class_cells,
    ),
}
