"""What the server itself sets on objects: identity, generation, initial status; and what a subresource may write."""

import secrets
import uuid
from datetime import datetime
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.defaults import TEMPLATE_GENERATION, generate_job_selector, initial_status
from crossfade_local.apiserver.defaults.data_sources import drop_unknown_data_source, equalize_data_sources
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.validation.pod_resize import with_resources_of

_SUFFIX_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_CLAIMS: Final = "/persistentvolumeclaims"
_LONGEST_GENERATED_BASE: Final = 58
_INITIAL_PHASES: Final = {
    "/namespaces": "Active",
    "/persistentvolumeclaims": "Pending",
    "/persistentvolumes": "Pending",
}
_STATUS_FROM_CLIENT: Final = frozenset({"/nodes"})
"""Kinds whose status may come with the create."""
_CREATE_ON_UPDATE: Final = frozenset(
    {
        "coordination.k8s.io/leases",
        "/endpoints",
        "/events",
        "/limitranges",
        "rbac.authorization.k8s.io/roles",
        "rbac.authorization.k8s.io/rolebindings",
        "rbac.authorization.k8s.io/clusterroles",
        "rbac.authorization.k8s.io/clusterrolebindings",
    }
)
_VERSION_NEEDED: Final = frozenset(
    {
        "coordination.k8s.io/leases",
        "apiextensions.k8s.io/customresourcedefinitions",
        "apiregistration.k8s.io/apiservices",
        "admissionregistration.k8s.io/mutatingadmissionpolicies",
        "admissionregistration.k8s.io/mutatingadmissionpolicybindings",
        "admissionregistration.k8s.io/mutatingwebhookconfigurations",
        "admissionregistration.k8s.io/validatingadmissionpolicies",
        "admissionregistration.k8s.io/validatingadmissionpolicybindings",
        "admissionregistration.k8s.io/validatingwebhookconfigurations",
        "policy/poddisruptionbudgets",
    }
)
_SERVER_OWNED: Final = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
)
# What an update says of them is refused, when the object is validated, if it is not as stored.
_KEPT_IF_UNSAID: Final = frozenset({"uid", "creationTimestamp"})
_NEVER_FROM_CLIENT: Final = frozenset({"generation", "selfLink"})
# Kinds whose status is written without the labels, or without anything else of their metadata.
_LABELS_KEPT_IN_STATUS: Final = frozenset({"apps/deployments"})
_METADATA_KEPT_IN_STATUS: Final = frozenset(
    {
        "apiextensions.k8s.io/customresourcedefinitions",
        "apiregistration.k8s.io/apiservices",
        "flowcontrol.apiserver.k8s.io/flowschemas",
        "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations",
        "admissionregistration.k8s.io/validatingadmissionpolicies",
    }
)
_RETURNS_OBJECT_ON_DELETE: Final = frozenset(
    {
        "/namespaces",
        "/pods",
        "/persistentvolumes",
        "/persistentvolumeclaims",
        "/podtemplates",
        "/resourcequotas",
        "/serviceaccounts",
        "/services",
        "storage.k8s.io/storageclasses",
        "storage.k8s.io/csidrivers",
        "storage.k8s.io/csinodes",
        "storage.k8s.io/volumeattachments",
    }
)


def timestamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def generated_name(base: str) -> str:
    suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(5))
    return base[:_LONGEST_GENERATED_BASE] + suffix


def name_if_unsaid(resource: ResourceType) -> str:
    """Only LimitRanges get one without asking for it."""
    return str(uuid.uuid4()) if resource.bucket == "/limitranges" else ""


def allows_create_on_update(resource: ResourceType) -> bool:
    return resource.bucket in _CREATE_ON_UPDATE


def needs_version_on_update(resource: ResourceType) -> bool:
    """Replacing without a resourceVersion is refused."""
    return resource.custom is not None or resource.bucket in _VERSION_NEEDED


def returns_object_on_delete(resource: ResourceType) -> bool:
    return resource.bucket in _RETURNS_OBJECT_ON_DELETE


def prepare_create(resource: ResourceType, obj: JsonObject, now: datetime) -> None:
    """Give a new object (in stored form) its identity, in place."""
    metadata = obj["metadata"]
    for name in (*_SERVER_OWNED, "resourceVersion"):
        metadata.pop(name, None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = timestamp(now)
    if resource.has_status and resource.bucket not in _STATUS_FROM_CLIENT:
        obj.pop("status", None)
        if resource.custom is None:
            phase = _INITIAL_PHASES.get(resource.bucket)
            obj["status"] = {"phase": phase} if phase else {}
    if resource.bucket == "/pods":
        obj["status"] = initial_status(obj, timestamp(now))
    if resource.bucket == "batch/jobs":
        generate_job_selector(obj)
    if resource.bucket == _CLAIMS:
        drop_unknown_data_source(obj)
        equalize_data_sources(obj)
    if counts_generation(resource):
        metadata["generation"] = 1
    if resource.bucket == "/namespaces":
        _prepare_namespace(obj)
    if resource.bucket == "/persistentvolumes":
        obj["status"]["lastPhaseTransitionTime"] = timestamp(now)
    if resource.bucket == "apps/daemonsets":
        _count_template(metadata, 1)


def _count_template(metadata: JsonObject, count: int) -> None:
    metadata["annotations"] = {**(metadata.get("annotations") or {}), TEMPLATE_GENERATION: str(count)}


def _prepare_namespace(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    finalizers = spec.setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")
    _label_with_name(obj)


def _label_with_name(namespace: JsonObject) -> None:
    """Selectors rely on it, so nobody may change it."""
    metadata = namespace["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata.get("name", "")}


def counts_generation(resource: ResourceType) -> bool:
    return resource.counts_generation or resource.custom is not None


def prepare_update(
    resource: ResourceType, new: JsonObject, old: JsonObject, subresource: str, now: datetime
) -> JsonObject:
    """The object to store when a client wrote `new` (stored form) over `old` through a subresource (or none)."""
    if subresource == "ephemeralcontainers":
        # Nothing else of the pod can be changed this way.
        spec = {**old["spec"]}
        _take(spec, new.get("spec") or {}, "ephemeralContainers")
        new = {**old, "metadata": {**old["metadata"]}, "spec": spec}
    if subresource == "resize":
        spec = with_resources_of(new.get("spec") or {}, old["spec"])
        new = {**old, "metadata": {**old["metadata"]}, "spec": spec}
    if subresource in ("", "ephemeralcontainers", "resize", "scale"):
        result = new
        _keep_own_metadata(result, old)
        if resource.has_status:
            _take(result, old, "status")
        if resource.bucket == "/namespaces":
            _keep_namespace_finalizers(result, old)
            _label_with_name(result)
        if resource.bucket == _CLAIMS:
            equalize_data_sources(result)
        if resource.bucket == "apps/daemonsets":
            _count_changed_template(result, old)
    else:
        result = dict(old)
        result["metadata"] = dict(old["metadata"])
        _take(result, new, "spec" if subresource == "finalize" else "status")
        if resource.bucket == "certificates.k8s.io/certificatesigningrequests":
            result["status"] = _request_status(new, old, subresource)
            _date_conditions(result["status"], old.get("status") or {}, timestamp(now))
        _status_metadata(resource, result["metadata"], new["metadata"])
        if resource.bucket == "/persistentvolumes":
            _note_phase(result, old, now)
        if resource.bucket == "/pods" and (quality := (old.get("status") or {}).get("qosClass")):
            result["status"] = {"qosClass": quality, **(result.get("status") or {})}
    if subresource != "status" and counts_generation(resource) and _intent(resource, result) != _intent(resource, old):
        result["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return result


def _count_changed_template(new: JsonObject, old: JsonObject) -> None:
    count = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "")
    is_changed = new["spec"].get("template") != old["spec"].get("template")
    _count_template(new["metadata"], (int(count) if count.isdecimal() else 1) + is_changed)


def _note_phase(new: JsonObject, old: JsonObject, now: datetime) -> None:
    """When a volume came into its phase, unless who wrote the phase says so."""
    after, before = new.get("status") or {}, old.get("status") or {}
    noted, name = before.get("lastPhaseTransitionTime"), "lastPhaseTransitionTime"
    if after.get("phase") != before.get("phase") and after.get(name) in (None, noted):
        new["status"] = {**after, name: timestamp(now)}


def _request_status(new: JsonObject, old: JsonObject, subresource: str) -> JsonObject:
    """Who approves decides on conditions only; who signs decides on all but whether it is approved."""
    after, before = new.get("status") or {}, old.get("status") or {}
    if subresource == "approval":
        wanted = after.get("conditions") or []
        return {**before, "conditions": wanted} if wanted or "conditions" in before else before
    decided = [item for item in before.get("conditions") or () if item.get("type") in ("Approved", "Denied")]
    others = [item for item in after.get("conditions") or () if item.get("type") not in ("Approved", "Denied")]
    rest = {key: value for key, value in after.items() if key != "conditions"}
    return {**rest, "conditions": [*decided, *others]} if decided or others else rest


def _date_conditions(status: JsonObject, before: JsonObject, now: str) -> None:
    """What a condition leaves out of its times: it came up before, or now."""
    known = {(item.get("type"), item.get("status")): item.get("lastTransitionTime") for item in _conditions(before)}
    if conditions := _conditions(status):
        status["conditions"] = [
            {
                **item,
                "lastUpdateTime": item.get("lastUpdateTime") or now,
                "lastTransitionTime": item.get("lastTransitionTime")
                or known.get((item.get("type"), item.get("status")))
                or now,
            }
            for item in conditions
        ]


def _conditions(status: JsonObject) -> list[JsonObject]:
    return status.get("conditions") or []


def _keep_own_metadata(new: JsonObject, old: JsonObject) -> None:
    for name in _SERVER_OWNED:
        said = new["metadata"].get(name) is not None
        if name in old["metadata"]:
            if not said or name not in _KEPT_IF_UNSAID:
                new["metadata"][name] = old["metadata"][name]
        elif not said or name in _NEVER_FROM_CLIENT:
            new["metadata"].pop(name, None)


def _status_metadata(resource: ResourceType, kept: JsonObject, new: JsonObject) -> None:
    """A status write of a built-in kind may still change labels, annotations and finalizers of its own metadata."""
    if resource.custom is None and resource.bucket not in _METADATA_KEPT_IN_STATUS:
        kept_labels = resource.bucket in _LABELS_KEPT_IN_STATUS
        for name in ("annotations", "finalizers") if kept_labels else ("annotations", "finalizers", "labels"):
            if name in new:
                kept[name] = new[name]
            else:
                kept.pop(name, None)
    if "managedFields" in new:
        kept["managedFields"] = new["managedFields"]


def _keep_namespace_finalizers(new: JsonObject, old: JsonObject) -> None:
    """Only the finalize subresource may change them."""
    new.setdefault("spec", {})["finalizers"] = (old.get("spec") or {}).get("finalizers", [])


def _take(target: JsonObject, source: JsonObject, field: str) -> None:
    if field in source:
        target[field] = source[field]
    else:
        target.pop(field, None)


def _intent(resource: ResourceType, obj: JsonObject) -> JsonObject:
    """The part of an object whose change counts as a new generation."""
    ignored = {"metadata", "apiVersion", "kind", "managedFields"}
    if resource.has_status:
        ignored.add("status")
    found = {key: value for key, value in obj.items() if key not in ignored}
    if resource.bucket == "discovery.k8s.io/endpointslices":
        found["labels"] = obj["metadata"].get("labels") or {}
    if resource.bucket == "apps/deployments":
        # They go to the ReplicaSets too.
        found["annotations"] = obj["metadata"].get("annotations") or {}
    return found
