"""`pods/eviction`: delete a pod, unless its PodDisruptionBudget forbids it."""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.handlers import delete as deletion
from crossfade_local.apiserver.handlers.registered import admit
from crossfade_local.apiserver.handlers.target import stored_object
from crossfade_local.apiserver.state.selectors import SelectorError, selector_from_struct
from crossfade_local.apiserver.state.storage import Conflict, Stored
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.wire import decoding
from crossfade_local.apiserver.wire.answers import Answer, ObjectAnswer
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import StatusError, bad_request, forbidden
from crossfade_local.apiserver.writing import strategies, writes
from crossfade_local.values.fields import mapping, number, objects, text

_BUCKET: Final = "policy/poddisruptionbudgets"
_TRIES: Final = 10
_MOST_UNCONFIRMED: Final = 2000
_PROCESSING_S: Final = 10
_SEVERAL: Final = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
_VIOLATED: Final = "Cannot evict pod as it would violate the pod's disruption budget."


async def evict(api: Api, call: Call, resource: ResourceType) -> Answer:
    eviction = await admit(api, call, resource, "CREATE", decoding.decode(call, "Eviction").object)
    if text(eviction, "metadata", "name") != call.info.name:
        raise bad_request("name in URL does not match name in Eviction object")
    chosen = eviction.get("deleteOptions") or {}
    dry_run = call.is_dry_run or bool(chosen.get("dryRun"))
    for _ in range(_TRIES):
        stored = stored_object(api, call, resource)
        deletion.check_preconditions(resource, stored, chosen)
        try:
            await _ask_budget(api, stored.object, dry_run=dry_run)
            await _delete(api, call, resource, stored, chosen, dry_run=dry_run)
        except Conflict:
            continue
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return ObjectAnswer(done, status=201)
    raise writes.modified(resource, call.info.name)


async def _delete(
    api: Api, call: Call, resource: ResourceType, stored: Stored, chosen: JsonObject, *, dry_run: bool
) -> None:
    """What was granted is granted: only the pod's own changes are followed."""
    for _ in range(_TRIES):
        try:
            if not dry_run:
                stored = await api.storage.update(resource.bucket, stored, _marked(api, stored))
            await deletion.delete_stored(api, call, resource, stored, chosen, is_admitted=True)
        except Conflict:
            stored = stored_object(api, call, resource)
        else:
            return
    raise writes.modified(resource, call.info.name)


def _marked(api: Api, stored: Stored) -> JsonObject:
    pod = stored.copy()
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    conditions[:] = [one for one in conditions if one["type"] != "DisruptionTarget"]
    conditions.append(
        {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
            "lastProbeTime": None,
            "lastTransitionTime": strategies.timestamp(api.clock()),
        }
    )
    return pod


async def _ask_budget(api: Api, pod: JsonObject, *, dry_run: bool) -> None:
    """Takes one of the disruptions that the pod's budget allows. Raises StatusError, or Conflict: ask again."""
    if pod["metadata"].get("deletionTimestamp") or text(pod, "status", "phase") in ("Pending", "Succeeded", "Failed"):
        return
    found = [stored for stored in api.storage.scan(_BUCKET, pod["metadata"]["namespace"]) if _covers(stored, pod)]
    if not found:
        return
    if len(found) > 1:
        raise StatusError(500, "", _SEVERAL)
    stored = found[0]
    status = mapping(stored.object, "status")
    if not _is_ready(pod) and _may_go_unready(stored.object, status):
        return
    check_budget(stored.object)
    if dry_run:
        return
    budget = stored.copy()
    left = number(status, "disruptionsAllowed") - 1
    budget["status"]["disruptionsAllowed"] = left
    budget["status"].setdefault("disruptedPods", {})[pod["metadata"]["name"]] = strategies.timestamp(api.clock())
    if not left:
        _close(budget, strategies.timestamp(api.clock()))
    await api.storage.update(_BUCKET, stored, budget)


def _covers(stored: Stored, pod: JsonObject) -> bool:
    try:
        selector = selector_from_struct(mapping(stored.object, "spec").get("selector"))
    except SelectorError:
        return False
    return selector is not None and selector.matches(pod)


def _is_ready(pod: JsonObject) -> bool:
    conditions = objects(pod, "status", "conditions")
    return any((text(one, "type"), text(one, "status")) == ("Ready", "True") for one in conditions)


def _may_go_unready(budget: JsonObject, status: JsonObject) -> bool:
    if text(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    desired = number(status, "desiredHealthy")
    return 0 < desired <= number(status, "currentHealthy")


def check_budget(budget: JsonObject) -> None:
    """Raises StatusError where no pod may be evicted now."""
    name, status = budget["metadata"]["name"], mapping(budget, "status")
    if number(status, "observedGeneration") < number(budget, "metadata", "generation"):
        said = f"The disruption budget {name} is still being processed by the server."
        raise _too_many(said, retry_after_s=_PROCESSING_S)
    allowed = number(status, "disruptionsAllowed")
    if allowed < 0:
        raise forbidden("poddisruptionbudgets", "policy", name, "pdb disruptions allowed is negative")
    if len(mapping(status, "disruptedPods")) > _MOST_UNCONFIRMED:
        said = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden("poddisruptionbudgets", "policy", name, said)
    if allowed:
        return
    failed = [text(one, "message") for one in objects(status, "conditions") if text(one, "reason") == "SyncFailed"]
    if failed:
        said = f"does not allow evicting pods currently because it failed sync: {failed[0]}"
    else:
        healthy, desired = number(status, "currentHealthy"), number(status, "desiredHealthy")
        said = f"needs {desired} healthy pods and has {healthy} currently"
    raise _too_many(f"The disruption budget {name} {said}")


def _too_many(cause: str, *, retry_after_s: int = 0) -> StatusError:
    details: JsonObject = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    headers = {}
    if retry_after_s:
        details["retryAfterSeconds"] = retry_after_s
        headers["Retry-After"] = str(retry_after_s)
    return StatusError(429, "TooManyRequests", _VIOLATED, details, headers=headers)


def _close(budget: JsonObject, now: str) -> None:
    """The condition of a budget of which nothing is left."""
    for condition in objects(budget, "status", "conditions"):
        if text(condition, "type") == "DisruptionAllowed":
            condition |= {"status": "False", "reason": "InsufficientPods", "lastTransitionTime": now}
