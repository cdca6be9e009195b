"""The pods of a Job: what one looks like, which index it works on, and whether it failed; pure.

Each has a finalizer, so that it stays until the Job's status has taken its end in: nothing is counted twice or never.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import (
    condition_of,
    controller_ref,
    is_being_deleted,
    name_of,
    namespace_of,
    parsed_time,
    uid_of,
)

INDEX: Final = "batch.kubernetes.io/job-completion-index"
FAILURES: Final = "batch.kubernetes.io/job-index-failure-count"
IGNORED: Final = "batch.kubernetes.io/job-index-ignored-failure-count"
FINALIZER: Final = "batch.kubernetes.io/job-tracking"
_VARIABLE: Final = {
    "name": "JOB_COMPLETION_INDEX",
    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}},
}
_LONGEST_BASE: Final = 58
"""What the server leaves of a generateName."""


class NewPod(NamedTuple):
    """`completion_index` is None where the Job is not indexed; `failures` of that index until now, and those of them
    that its policy does not count.
    """

    completion_index: int | None = None
    failures: int = 0
    ignored: int = 0


def is_indexed(job: JsonObject) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: JsonObject) -> int:
    """-1 for a pod without one."""
    return _number(pod, INDEX, -1)


def failures_before(pod: JsonObject) -> int:
    """How often its index had failed when the pod was made, as far as that counts."""
    return _number(pod, FAILURES, 0)


def ignored_before(pod: JsonObject) -> int:
    return _number(pod, IGNORED, 0)


def _number(pod: JsonObject, annotation: str, default: int) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(annotation) or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else default


def phase_of(pod: JsonObject) -> str:
    return (pod.get("status") or {}).get("phase") or "Pending"


def is_held(pod: JsonObject) -> bool:
    """The Job has not taken its end in yet."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def is_terminating(pod: JsonObject) -> bool:
    return is_being_deleted(pod) and phase_of(pod) not in ("Succeeded", "Failed")


def replaces_only_ended(job: JsonObject) -> bool:
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or spec.get("podFailurePolicy") is not None


def has_failed(job: JsonObject, pod: JsonObject) -> bool:
    """A pod that is deleted counts at once, since it may never tell how it ended, unless the Job waits for that."""
    if phase_of(pod) == "Failed":
        return True
    return is_being_deleted(pod) and phase_of(pod) != "Succeeded" and not replaces_only_ended(job)


def ended_at(pod: JsonObject) -> datetime | None:
    """When its last container ended; if that is not told, when it was no longer ready or was to be deleted."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    states = [(item.get("state") or {}).get("terminated") or {} for item in status.get("containerStatuses") or ()]
    ends = [parsed_time(state.get("finishedAt")) for state in states]
    known = [end for end in ends if end is not None]
    if known and len(known) == len(ends):
        return max(known)
    ready = condition_of(status, "Ready")
    if ready is not None and ready["status"] == "False" and ready.get("lastTransitionTime"):
        return parsed_time(ready["lastTransitionTime"])
    if deleted := parsed_time(metadata.get("deletionTimestamp")):
        return deleted - timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    return parsed_time(metadata.get("creationTimestamp"))


def new_pod(job: JsonObject, wanted: NewPod) -> JsonObject:
    template = job["spec"]["template"]
    metadata = template.get("metadata") or {}
    ids = {"controller-uid": uid_of(job), "job-name": name_of(job)}
    labels = {**(metadata.get("labels") or {}), **ids}
    labels |= {f"batch.kubernetes.io/{key}": value for key, value in ids.items()}
    annotations = dict(metadata.get("annotations") or {})
    base, spec, index = f"{name_of(job)}-", template["spec"], wanted.completion_index
    if index is not None:
        labels[INDEX] = annotations[INDEX] = str(index)
        annotations |= _failure_counts(job, wanted)
        end = f"-{index}-"
        base, spec = f"{name_of(job)[: _LONGEST_BASE - len(end)]}{end}", _with_index(spec)
        spec["hostname"] = f"{name_of(job)}-{index}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": base,
            "namespace": namespace_of(job),
            "labels": labels,
            **({"annotations": annotations} if annotations else {}),
            "finalizers": [*(item for item in metadata.get("finalizers") or () if item != FINALIZER), FINALIZER],
            "ownerReferences": [controller_ref(job)],
        },
        "spec": spec,
    }


def _failure_counts(job: JsonObject, wanted: NewPod) -> dict[str, str]:
    if job["spec"].get("backoffLimitPerIndex") is None:
        return {}
    return {FAILURES: str(wanted.failures), **({IGNORED: str(wanted.ignored)} if wanted.ignored else {})}


def _with_index(spec: JsonObject) -> JsonObject:
    changed = dict(spec)
    for field in ("initContainers", "containers"):
        if spec.get(field):
            changed[field] = [_with_variable(container) for container in spec[field]]
    return changed


def _with_variable(container: JsonObject) -> JsonObject:
    env = container.get("env") or []
    if any(item.get("name") == _VARIABLE["name"] for item in env):
        return container
    return {**container, "env": [*env, _VARIABLE]}
