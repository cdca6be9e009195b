"""Which rules apply to which kind, and in which order Kubernetes reports their errors."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import (
    admission_policies,
    autoscaling,
    certificates,
    claims,
    crds,
    data,
    endpoints,
    events,
    ingresses,
    limit_ranges,
    names,
    network_policies,
    nodes,
    pod_updates,
    pods,
    quotas,
    rbac,
    runtime_classes,
    services,
    small_kinds,
    storage_classes,
    webhooks,
    workloads,
)
from crossfade_local.apiserver.validation.errors import FieldError
from crossfade_local.apiserver.validation.metadata import validate_metadata, validate_metadata_update
from crossfade_local.apiserver.validation.names import NameCheck

Check = Callable[[JsonObject], Iterator[FieldError]]
UpdateCheck = Callable[[JsonObject, JsonObject], Iterator[FieldError]]


def _nothing(_obj: JsonObject) -> Iterator[FieldError]:
    return iter(())


def _no_change(_new: JsonObject, _old: JsonObject) -> Iterator[FieldError]:
    return iter(())


class Rules(NamedTuple):
    """How a kind is validated."""

    check: Check = _nothing
    """The object apart from its metadata."""
    changes: UpdateCheck = _no_change
    namespaced: bool = True
    name_check: NameCheck = names.subdomain_name
    changes_first: bool = False
    """On an update, what may not change is reported before the object's own errors."""
    update_check: Check | None = None
    """What is checked of the object on an update, if it is not all of it."""
    metadata_again: bool = False
    """On an update, the whole metadata is validated too, not only its changes."""

    def create(self, obj: JsonObject) -> Iterator[FieldError]:
        metadata = validate_metadata(obj, namespaced=self.namespaced, name_check=self.name_check)
        return chain(metadata, self.check(obj))

    def update(self, new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
        own = self.create(new) if self.metadata_again else (self.update_check or self.check)(new)
        parts = (self.changes(new, old), own) if self.changes_first else (own, self.changes(new, old))
        return chain(validate_metadata_update(new, old), *parts)


class _PodRules(Rules):
    def create(self, obj: JsonObject) -> Iterator[FieldError]:
        return pods.validate_pod(obj)

    def update(self, new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
        return pod_updates.validate_pod_update(new, old)


class _ServiceRules(Rules):
    def create(self, obj: JsonObject) -> Iterator[FieldError]:
        return services.validate_service(obj)

    def update(self, new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
        return services.validate_service_update(new, old)


class _JobRules(Rules):
    def update(self, new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
        """Kubernetes tells of what is wrong with it as with a new one, and once more as with a change."""
        again = chain(validate_metadata_update(new, old), workloads.validate_job(new))
        return chain(self.create(new), again, workloads.validate_job_update(new, old))


_RBAC: Final = "rbac.authorization.k8s.io"
_HOOKS: Final = "admissionregistration.k8s.io"
_HOOK_RULES: Final = Rules(webhooks.validate_webhook_configuration, namespaced=False, metadata_again=True)
# What is in a policy is validated with its expressions, by a process of their own where there is much of them.
_POLICY_RULES: Final = Rules(namespaced=False, metadata_again=True)
_SELECTOR: Final = workloads.validate_selector_update

RULES: Final[dict[tuple[str, str], Rules]] = {
    ("", "ConfigMap"): Rules(
        data.validate_config_map, data.validate_config_map_update, changes_first=True, metadata_again=True
    ),
    ("", "Endpoints"): Rules(endpoints.validate_endpoints),
    ("", "Event"): Rules(events.validate_event, name_check=names.any_name),
    ("", "LimitRange"): Rules(limit_ranges.validate_limit_range),
    ("", "Namespace"): Rules(small_kinds.validate_namespace, namespaced=False, name_check=names.label_name),
    ("", "Node"): Rules(nodes.validate_node, namespaced=False),
    ("", "PersistentVolume"): Rules(
        claims.validate_volume, claims.validate_volume_update, namespaced=False, metadata_again=True
    ),
    ("", "PersistentVolumeClaim"): Rules(claims.validate_claim, claims.validate_claim_update, metadata_again=True),
    ("", "Pod"): _PodRules(),
    ("", "PodTemplate"): Rules(workloads.validate_pod_template),
    ("", "ReplicationController"): Rules(
        workloads.validate_replication_controller, name_check=names.subdomain_name_in_bytes
    ),
    ("", "ResourceQuota"): Rules(quotas.validate_quota, quotas.validate_quota_update),
    ("", "Secret"): Rules(data.validate_secret, data.validate_secret_update, changes_first=True, metadata_again=True),
    ("", "Service"): _ServiceRules(),
    ("", "ServiceAccount"): Rules(metadata_again=True),
    (_HOOKS, "MutatingWebhookConfiguration"): _HOOK_RULES,
    (_HOOKS, "ValidatingWebhookConfiguration"): _HOOK_RULES,
    (_HOOKS, "MutatingAdmissionPolicy"): _POLICY_RULES,
    (_HOOKS, "MutatingAdmissionPolicyBinding"): Rules(
        admission_policies.validate_mutating_binding, namespaced=False, metadata_again=True
    ),
    (_HOOKS, "ValidatingAdmissionPolicy"): _POLICY_RULES,
    (_HOOKS, "ValidatingAdmissionPolicyBinding"): Rules(
        admission_policies.validate_validating_binding, namespaced=False, metadata_again=True
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Rules(
        crds.validate_crd, crds.validate_crd_update, namespaced=False
    ),
    ("apiregistration.k8s.io", "APIService"): Rules(namespaced=False),
    ("apps", "ControllerRevision"): Rules(
        small_kinds.validate_revision,
        small_kinds.validate_revision_update,
        update_check=small_kinds.validate_revision_number,
    ),
    ("apps", "DaemonSet"): Rules(workloads.validate_daemon_set, _SELECTOR, changes_first=True),
    ("apps", "Deployment"): Rules(workloads.validate_deployment, _SELECTOR),
    ("apps", "ReplicaSet"): Rules(workloads.validate_replica_set, _SELECTOR),
    ("apps", "StatefulSet"): Rules(
        workloads.validate_new_stateful_set,
        workloads.validate_stateful_set_update,
        name_check=names.label_name,
        update_check=workloads.validate_stateful_set,
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): Rules(autoscaling.validate_autoscaler),
    ("batch", "CronJob"): Rules(workloads.validate_cron_job),
    ("batch", "Job"): _JobRules(workloads.validate_new_job),
    ("certificates.k8s.io", "CertificateSigningRequest"): Rules(
        certificates.validate_request,
        certificates.validate_request_update,
        namespaced=False,
        name_check=names.any_name,
    ),
    ("coordination.k8s.io", "Lease"): Rules(small_kinds.validate_lease),
    ("discovery.k8s.io", "EndpointSlice"): Rules(
        endpoints.validate_endpoint_slice, endpoints.validate_endpoint_slice_update, metadata_again=True
    ),
    ("events.k8s.io", "Event"): Rules(
        events.validate_modern_event,
        events.validate_modern_event_update,
        update_check=events.validate_modern_form,
    ),
    ("networking.k8s.io", "Ingress"): Rules(ingresses.validate_ingress, update_check=ingresses.validate_ingress_spec),
    ("networking.k8s.io", "IngressClass"): Rules(
        ingresses.validate_ingress_class,
        ingresses.validate_ingress_class_update,
        namespaced=False,
        changes_first=True,
    ),
    ("networking.k8s.io", "NetworkPolicy"): Rules(network_policies.validate_network_policy),
    ("node.k8s.io", "RuntimeClass"): Rules(
        runtime_classes.validate_runtime_class, runtime_classes.validate_runtime_class_update, namespaced=False
    ),
    ("policy", "PodDisruptionBudget"): Rules(small_kinds.validate_disruption_budget, name_check=names.any_name),
    (_RBAC, "ClusterRole"): Rules(
        rbac.validate_cluster_role, namespaced=False, name_check=names.path_segment_name, metadata_again=True
    ),
    (_RBAC, "ClusterRoleBinding"): Rules(
        rbac.validate_cluster_role_binding,
        rbac.validate_binding_update,
        namespaced=False,
        name_check=names.path_segment_name,
        metadata_again=True,
    ),
    (_RBAC, "Role"): Rules(rbac.validate_role, name_check=names.path_segment_name, metadata_again=True),
    (_RBAC, "RoleBinding"): Rules(
        rbac.validate_role_binding,
        rbac.validate_binding_update,
        name_check=names.path_segment_name,
        metadata_again=True,
    ),
    ("scheduling.k8s.io", "PriorityClass"): Rules(
        small_kinds.validate_new_priority_class,
        small_kinds.validate_priority_class_update,
        namespaced=False,
        update_check=small_kinds.validate_priority_class,
    ),
    ("storage.k8s.io", "StorageClass"): Rules(
        storage_classes.validate_storage_class, storage_classes.validate_storage_class_update, namespaced=False
    ),
}
STATUS_RULES: Final[dict[tuple[str, str], UpdateCheck]] = {
    ("", "Pod"): pod_updates.validate_pod_status_update,
    ("", "Service"): services.validate_service_status_update,
    (_HOOKS, "ValidatingAdmissionPolicy"): admission_policies.validate_policy_status,
    ("certificates.k8s.io", "CertificateSigningRequest"): certificates.validate_decision,
    ("networking.k8s.io", "Ingress"): ingresses.validate_ingress_status_update,
}
