"""Defaults of the kinds that run pods. All functions change the given object."""

from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.defaults.pod import default_template
from crossfade_local.values.fields import mapping, objects, text

_QUARTER: Final = "25%"
TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"
_CONTROLLER_UID: Final = "batch.kubernetes.io/controller-uid"
_JOB_NAME: Final = "batch.kubernetes.io/job-name"


def fill(target: JsonObject, values: dict[str, Any]) -> None:
    """Sets what is missing or null."""
    for name, value in values.items():
        if target.get(name) is None:
            target[name] = value


def default_deployment(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "strategy": {}})
    strategy = spec["strategy"]
    strategy["type"] = text(strategy, "type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        fill(strategy, {"rollingUpdate": {}})
        fill(strategy["rollingUpdate"], {"maxUnavailable": _QUARTER, "maxSurge": _QUARTER})
    default_template(spec)


def default_replica_set(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, {"replicas": 1})
    default_template(spec)


def default_replication_controller(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, {"replicas": 1})
    labels = mapping(spec, "template", "metadata", "labels")
    if labels:
        for target, name in ((spec, "selector"), (obj.setdefault("metadata", {}), "labels")):
            target[name] = target.get(name) or dict(labels)
    if spec.get("template") is not None:
        default_template(spec)


def default_daemon_set(obj: JsonObject) -> None:
    # Which the server counts; whoever writes a DaemonSet counts as having written it.
    metadata = obj.setdefault("metadata", {})
    metadata["annotations"] = {TEMPLATE_GENERATION: "0", **(metadata.get("annotations") or {})}
    spec = obj.setdefault("spec", {})
    fill(spec, {"revisionHistoryLimit": 10, "updateStrategy": {}})
    strategy = spec["updateStrategy"]
    strategy["type"] = text(strategy, "type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        fill(strategy, {"rollingUpdate": {}})
        fill(strategy["rollingUpdate"], {"maxUnavailable": 1, "maxSurge": 0})
    default_template(spec)


def default_stateful_set(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady", "updateStrategy": {}})
    fill(spec, {"persistentVolumeClaimRetentionPolicy": {}})
    fill(spec["persistentVolumeClaimRetentionPolicy"], {"whenDeleted": "Retain", "whenScaled": "Retain"})
    strategy = spec["updateStrategy"]
    if not text(strategy, "type"):
        fill(strategy, {"rollingUpdate": {}})
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        fill(strategy["rollingUpdate"], {"partition": 0})
    for claim in objects(spec, "volumeClaimTemplates"):
        default_claim(claim)
        fill(claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
    default_template(spec)


def default_claim(claim: JsonObject) -> None:
    fill(claim.setdefault("spec", {}), {"volumeMode": "Filesystem"})
    fill(claim, {"status": {}})
    fill(claim["status"], {"phase": "Pending"})


def default_job(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        fill(spec, {"completions": 1})
    fill(spec, {"parallelism": 1, "completionMode": "NonIndexed", "suspend": False, "manualSelector": False})
    fill(spec, {"backoffLimit": 2**31 - 1 if spec.get("backoffLimitPerIndex") is not None else 6})
    strict = spec.get("podFailurePolicy") is not None
    for rule in objects(spec, "podFailurePolicy", "rules"):
        for pattern in objects(rule, "onPodConditions"):
            pattern["status"] = text(pattern, "status") or "True"
    fill(spec, {"podReplacementPolicy": "Failed" if strict else "TerminatingOrFailed"})
    default_template(spec)
    labels = spec["template"]["metadata"].get("labels")
    metadata = obj.setdefault("metadata", {})
    if labels and not metadata.get("labels"):
        # The same map, as in Go, so that the job also gets those that tie it to its pods.
        metadata["labels"] = labels


def generate_job_selector(obj: JsonObject) -> None:
    """Ties a new job to its pods by its uid, unless the client selects pods itself."""
    spec = obj["spec"]
    if spec.get("manualSelector") is True:
        return
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    if not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = labels
    for key, value in job_labels(obj).items():
        labels.setdefault(key, value)
    selected = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    selected.setdefault(_CONTROLLER_UID, text(obj, "metadata", "uid"))


def job_labels(job: JsonObject) -> dict[str, str]:
    """Those of the pods of a job that does not select them itself."""
    uid, name = text(job, "metadata", "uid"), text(job, "metadata", "name")
    return {"controller-uid": uid, "job-name": name, _CONTROLLER_UID: uid, _JOB_NAME: name}


def default_cron_job(obj: JsonObject) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, {"concurrencyPolicy": "Allow", "suspend": False})
    fill(spec, {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1})
    default_template(spec.setdefault("jobTemplate", {}).setdefault("spec", {}))
