"""The pods of a Job: what one looks like, which index it works on, and how many ended ones are gone; pure."""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import controller_ref, is_being_deleted, name_of, namespace_of, uid_of

INDEX: Final = "batch.kubernetes.io/job-completion-index"
FAILURES: Final = "batch.kubernetes.io/job-index-failure-count"
_VARIABLE: Final = {
    "name": "JOB_COMPLETION_INDEX",
    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{INDEX}']"}},
}
_LONGEST_BASE: Final = 63


def is_indexed(job: JsonObject) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: JsonObject) -> int:
    """-1 for a pod without one."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX) or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else -1


def failures_before(pod: JsonObject) -> int:
    """How often its index had failed when the pod was made."""
    text = (pod["metadata"].get("annotations") or {}).get(FAILURES) or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else 0


def new_pod(job: JsonObject, index: int | None, failures: int) -> JsonObject:
    """`index` is None for a Job that is not indexed; `failures` are those of the index until now."""
    template = job["spec"]["template"]
    metadata = template.get("metadata") or {}
    ids = {"controller-uid": uid_of(job), "job-name": name_of(job)}
    labels = {**(metadata.get("labels") or {}), **ids}
    labels |= {f"batch.kubernetes.io/{key}": value for key, value in ids.items()}
    annotations = dict(metadata.get("annotations") or {})
    base, spec = f"{name_of(job)}-", template["spec"]
    if index is not None:
        labels[INDEX] = annotations[INDEX] = str(index)
        if job["spec"].get("backoffLimitPerIndex") is not None:
            annotations[FAILURES] = str(failures)
        base, spec = f"{name_of(job)}-{index}-", _with_index(spec)
        spec["hostname"] = f"{name_of(job)}-{index}"[:_LONGEST_BASE]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": base,
            "namespace": namespace_of(job),
            "labels": labels,
            **({"annotations": annotations} if annotations else {}),
            "ownerReferences": [controller_ref(job)],
        },
        "spec": spec,
    }


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


class Gone:
    """Ended pods that somebody deleted since: they still count. Kept per Job while it exists."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, set[str]]] = {}
        self._earlier: dict[str, dict[str, int]] = {}

    def forget(self, job_uid: str) -> None:
        self._seen.pop(job_uid, None)
        self._earlier.pop(job_uid, None)

    def counts(self, job: JsonObject, pods: list[JsonObject]) -> tuple[int, int]:
        """(succeeded, failed); what went before the controller began is told by the status."""
        key, status = uid_of(job), job.get("status") or {}
        present = {"Succeeded": set[str](), "Failed": set[str]()}
        for pod in pods:
            phase = (pod.get("status") or {}).get("phase")
            if phase in present and not (phase == "Failed" and is_being_deleted(pod)):
                present[phase].add(uid_of(pod))
        if key not in self._seen:
            told = {"Succeeded": status.get("succeeded") or 0, "Failed": status.get("failed") or 0}
            self._earlier[key] = {phase: max(0, told[phase] - len(uids)) for phase, uids in present.items()}
            self._seen[key] = {phase: set() for phase in present}
        seen, earlier = self._seen[key], self._earlier[key]
        for phase, uids in present.items():
            seen[phase] |= uids
        found = [earlier[phase] + len(seen[phase] - present[phase]) for phase in ("Succeeded", "Failed")]
        return found[0], found[1]
