"""Delete one object or a collection: grace periods, finalizers, propagation, preconditions."""

from datetime import datetime, timedelta
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.aside import slices
from crossfade_local.apiserver.conversion.versions import to_served
from crossfade_local.apiserver.handlers.selection import selection
from crossfade_local.apiserver.handlers.target import stored_object
from crossfade_local.apiserver.state.storage import Conflict, Stored
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.validation.errors import invalid, not_supported
from crossfade_local.apiserver.values.copies import copied
from crossfade_local.apiserver.wire import decoding, options
from crossfade_local.apiserver.wire.answers import Answer, ListAnswer, ObjectAnswer
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import conflict, success
from crossfade_local.apiserver.writing import strategies, writes

ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"
_JOBS: Final = "batch/jobs"
_ORPHANING: Final = frozenset({"/replicationcontrollers", _JOBS})
"""Kinds older than garbage collection: deleted without a word about their dependents, they leave them."""
_JOBS_WARNING: Final = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)
_POLICIES: Final = ("Orphan", "Background", "Foreground")
_CRD_CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"
_DEFAULT_POD_GRACE_S: Final = 30
_TRIES: Final = 5


async def delete(api: Api, call: Call, resource: ResourceType) -> Answer:
    chosen = delete_options(call)
    _warn_of_orphans(call, resource, chosen)
    for _ in range(_TRIES):
        stored = stored_object(api, call, resource)
        try:
            gone, obj = await delete_stored(api, call, resource, stored, chosen)
        except Conflict:
            continue
        if gone and not strategies.returns_object_on_delete(resource):
            uid = obj["metadata"].get("uid", "")
            return ObjectAnswer(success(resource.plural, resource.group, call.info.name, uid))
        return ObjectAnswer(to_served(resource, obj), resource)
    raise writes.modified(resource, call.info.name)


async def delete_collection(api: Api, call: Call, resource: ResourceType) -> Answer:
    chosen = delete_options(call)
    _warn_of_orphans(call, resource, chosen)
    wanted = selection(call, resource)
    stored_now = list(api.storage.scan(resource.bucket, wanted.namespace))
    parts = slices(stored_now, wanted.terms)
    found = [stored async for part in parts for stored in part if wanted.matches(stored.object)]
    gone: list[JsonObject] = []
    for stored in found:
        try:
            _, obj = await delete_stored(api, call, resource, stored, chosen)
        except Conflict:
            continue
        gone.append(to_served(resource, obj))
    return ListAnswer(resource, gone, {"resourceVersion": str(api.storage.revision)})


def delete_options(call: Call) -> JsonObject:
    """DeleteOptions of the body, overridden by those of the query; raises StatusError."""
    chosen: JsonObject = {}
    if call.body:
        chosen = decoding.decode(call, "DeleteOptions").object
    for name in ("propagationPolicy",):
        if call.query.get(name):
            chosen[name] = call.query[name]
    grace = options.number(call, "gracePeriodSeconds")
    if grace is not None:
        chosen["gracePeriodSeconds"] = grace
    if call.query.get("dryRun"):
        chosen["dryRun"] = [call.query["dryRun"]]
    if call.query.get("orphanDependents"):
        chosen["orphanDependents"] = call.query["orphanDependents"] == "true"
    errors = []
    policy = chosen.get("propagationPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.append(not_supported("propagationPolicy", policy, ("Foreground", "Background", "Orphan", "nil")))
    if policy is not None and chosen.get("orphanDependents") is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(invalid("propagationPolicy", policy, detail))
    if any(value != "All" for value in chosen.get("dryRun") or ()):
        errors.append(not_supported("dryRun", chosen["dryRun"], ["All"]))
    if errors:
        raise options.options_error("DeleteOptions", errors)
    return chosen


def _warn_of_orphans(call: Call, resource: ResourceType, chosen: JsonObject) -> None:
    if resource.bucket == _JOBS and chosen.get("propagationPolicy") is None and chosen.get("orphanDependents") is None:
        call.warn(_JOBS_WARNING)


async def delete_stored(
    api: Api, call: Call, resource: ResourceType, stored: Stored, chosen: JsonObject, *, is_admitted: bool = False
) -> tuple[bool, JsonObject]:
    """Delete what was read. Returns whether it is gone, and its last state; raises Conflict or StatusError.

    `is_admitted`: webhooks and policies have seen the request in another form.
    """
    check_preconditions(resource, stored, chosen)
    dry_run = call.is_dry_run or bool(chosen.get("dryRun"))
    attributes = Attributes(
        call,
        resource,
        "DELETE",
        *stored.key,
        None,
        stored.object,
        dry_run=dry_run,
        options=chosen,
        is_admitted=is_admitted,
    )
    await api.admission.mutate(attributes)
    await api.admission.validate(attributes)
    obj = stored.copy()
    finalizers = wanted_finalizers(resource, obj, chosen)
    grace = grace_seconds(resource, obj, chosen)
    if grace == 0 and not finalizers and not _holds_namespace(obj):
        if resource.bucket == "/pods" and "deletionTimestamp" not in obj["metadata"]:
            _count_ending(obj["metadata"])
        if dry_run:
            return True, obj
        last = copied(obj)
        return True, (await api.storage.delete(resource.bucket, stored, last)).object
    _mark(resource, obj, finalizers, grace, api.clock())
    if dry_run or obj == stored.object:
        return False, obj
    return False, (await api.storage.update(resource.bucket, stored, obj)).object


def check_preconditions(resource: ResourceType, stored: Stored, chosen: JsonObject) -> None:
    wanted = chosen.get("preconditions") or {}
    metadata = stored.object["metadata"]
    for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        value, current = wanted.get(field), metadata.get(field)
        if value is not None and value != current:
            why = (
                f"the {label} in the precondition ({value}) does not match the {label} in record ({current})."
                " The object might have been modified"
                if field == "resourceVersion"
                else f"the UID in the precondition ({value}) does not match the UID in record ({current})."
                " The object might have been deleted and then recreated"
            )
            raise conflict(resource.kind, resource.group, stored.key[1], why)


def wanted_finalizers(resource: ResourceType, obj: JsonObject, chosen: JsonObject) -> list[str]:
    """The finalizers that the object has to wait for, those of the propagation policy included."""
    finalizers = list(obj["metadata"].get("finalizers") or ())
    policy = chosen.get("propagationPolicy")
    if policy is None and chosen.get("orphanDependents") is not None:
        policy = "Orphan" if chosen["orphanDependents"] else "Background"
    if policy is None and resource.bucket in _ORPHANING and not {ORPHAN, FOREGROUND} & set(finalizers):
        policy = "Orphan"
    if policy is not None:
        finalizers = [name for name in finalizers if name not in (ORPHAN, FOREGROUND)]
        finalizers += {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(policy, [])
    if resource.bucket == "apiextensions.k8s.io/customresourcedefinitions" and _CRD_CLEANUP not in finalizers:
        finalizers.append(_CRD_CLEANUP)
    return finalizers


def grace_seconds(resource: ResourceType, obj: JsonObject, chosen: JsonObject) -> int:
    """How long a pod may take to end; 0 for everything else, and for pods that never started."""
    if resource.bucket != "/pods":
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    asked = chosen.get("gracePeriodSeconds")
    grace = spec.get("terminationGracePeriodSeconds", _DEFAULT_POD_GRACE_S) if asked is None else asked
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        grace = 0
    running = obj["metadata"].get("deletionGracePeriodSeconds")
    if running is not None:
        # A second delete may only shorten what is left.
        return min(int(running), int(asked)) if asked is not None else int(running)
    return max(int(grace), 0) if grace >= 0 else 1


def _holds_namespace(obj: JsonObject) -> bool:
    return obj["kind"] == "Namespace" and bool((obj.get("spec") or {}).get("finalizers"))


def _mark(resource: ResourceType, obj: JsonObject, finalizers: list[str], grace: int, now: datetime) -> None:
    metadata = obj["metadata"]
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    if "deletionTimestamp" in metadata:
        _shorten(metadata, grace)
    else:
        if resource.bucket != "/namespaces":
            metadata["deletionGracePeriodSeconds"] = grace
            if strategies.counts_generation(resource):
                _count_ending(metadata)
        metadata["deletionTimestamp"] = strategies.timestamp(now + timedelta(seconds=grace))
    if resource.bucket == "/namespaces":
        obj.setdefault("status", {})["phase"] = "Terminating"


def _shorten(metadata: JsonObject, grace: int) -> None:
    """Counted from when the deletion began; it is no other generation."""
    former = metadata.get("deletionGracePeriodSeconds", 0)
    if former > grace:
        due = datetime.fromisoformat(metadata["deletionTimestamp"]) - timedelta(seconds=former - grace)
        metadata["deletionTimestamp"] = strategies.timestamp(due)
        metadata["deletionGracePeriodSeconds"] = grace


def _count_ending(metadata: JsonObject) -> None:
    """Controllers act otherwise on what is deleted: that is another generation."""
    metadata["generation"] = metadata.get("generation", 0) + 1
