"""How the built-in kinds are addressed."""

from typing import Final

from crossfade_kube.core import (
    ConfigMap,
    EndpointSlice,
    Ingress,
    Lease,
    Namespace,
    Pod,
    Secret,
    Service,
)
from crossfade_kube.meta import Resource

CONFIG_MAP: Final = ConfigMap.RESOURCE
ENDPOINTS: Final = Resource("", "v1", "endpoints", "Endpoints", namespaced=True)
EVENT: Final = Resource("", "v1", "events", "Event", namespaced=True)
NAMESPACE: Final = Namespace.RESOURCE
NODE: Final = Resource("", "v1", "nodes", "Node", namespaced=False)
POD: Final = Pod.RESOURCE
PERSISTENT_VOLUME: Final = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
PERSISTENT_VOLUME_CLAIM: Final = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)
REPLICATION_CONTROLLER: Final = Resource("", "v1", "replicationcontrollers", "ReplicationController", namespaced=True)
SECRET: Final = Secret.RESOURCE
SERVICE: Final = Service.RESOURCE
SERVICE_ACCOUNT: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)

DEPLOYMENT: Final = Resource("apps", "v1", "deployments", "Deployment", namespaced=True)
REPLICA_SET: Final = Resource("apps", "v1", "replicasets", "ReplicaSet", namespaced=True)
STATEFUL_SET: Final = Resource("apps", "v1", "statefulsets", "StatefulSet", namespaced=True)
DAEMON_SET: Final = Resource("apps", "v1", "daemonsets", "DaemonSet", namespaced=True)
CONTROLLER_REVISION: Final = Resource("apps", "v1", "controllerrevisions", "ControllerRevision", namespaced=True)
CRON_JOB: Final = Resource("batch", "v1", "cronjobs", "CronJob", namespaced=True)
JOB: Final = Resource("batch", "v1", "jobs", "Job", namespaced=True)

RUNTIME_CLASS: Final = Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False)
STORAGE_CLASS: Final = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)

ENDPOINT_SLICE: Final = EndpointSlice.RESOURCE
INGRESS: Final = Ingress.RESOURCE
LEASE: Final = Lease.RESOURCE
NETWORK_POLICY: Final = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", namespaced=True)

CERTIFICATE_SIGNING_REQUEST: Final = Resource(
    "certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", namespaced=False
)
CUSTOM_RESOURCE_DEFINITION: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
MUTATING_WEBHOOK_CONFIGURATION: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
)
VALIDATING_WEBHOOK_CONFIGURATION: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
