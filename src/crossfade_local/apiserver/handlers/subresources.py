"""Subresources with a meaning of their own: scale, finalize, binding and service-account tokens."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.handlers.eviction import evict
from crossfade_local.apiserver.handlers.registered import admit
from crossfade_local.apiserver.handlers.scale import patch_scale, replace_scale, scale_of
from crossfade_local.apiserver.handlers.target import stored_object
from crossfade_local.apiserver.security.tokens import DEFAULT_AUDIENCE, Account
from crossfade_local.apiserver.state.storage import Conflict
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.validation.errors import invalid
from crossfade_local.apiserver.validation.status_error import invalid_status
from crossfade_local.apiserver.wire import decoding, options
from crossfade_local.apiserver.wire.answers import Answer, ObjectAnswer
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import StatusError, bad_request, conflict
from crossfade_local.apiserver.writing import strategies, writes

Handler = Callable[[Api, Call, ResourceType], Awaitable[Answer]]

_SHORTEST_TOKEN_S: Final = 600
_LONGEST_TOKEN_S: Final = 1 << 32
_DEFAULT_TOKEN_S: Final = 3600
_TRIES: Final = 5
_OTHER_UID: Final = (
    "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted"
    " and then recreated"
)


async def get_scale(api: Api, call: Call, resource: ResourceType) -> Answer:
    return ObjectAnswer(scale_of(resource, stored_object(api, call, resource).object))


async def bind(api: Api, call: Call, resource: ResourceType) -> Answer:
    """Put a pod on a node (`pods/binding`)."""
    binding = await admit(api, call, resource, "CREATE", decoding.decode(call, "Binding").object)
    if (binding.get("metadata") or {}).get("name") != call.info.name:
        raise bad_request("name in URL does not match name in Binding object")
    node = (binding.get("target") or {}).get("name", "")
    if not node:
        raise bad_request("target.name: Required value")
    for _ in range(_TRIES):
        before = stored_object(api, call, resource)
        pod = before.copy()
        uid, wanted = pod["metadata"]["uid"], (binding.get("metadata") or {}).get("uid")
        if wanted and wanted != uid:
            why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
            raise conflict("pods/binding", "", call.info.name, why)
        if pod["spec"].get("nodeName"):
            why = f'pod {call.info.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
            raise conflict("pods/binding", "", call.info.name, why)
        pod["spec"]["nodeName"] = node
        pod["metadata"].setdefault("annotations", {}).update((binding.get("metadata") or {}).get("annotations") or {})
        if not pod["metadata"]["annotations"]:
            del pod["metadata"]["annotations"]
        _scheduled(pod, strategies.timestamp(api.clock()))
        try:
            if not call.is_dry_run:
                await api.storage.update(resource.bucket, before, pod)
        except Conflict:
            continue
        return ObjectAnswer(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, status=201
        )
    raise writes.modified(resource, call.info.name)


def _scheduled(pod: JsonObject, stamp: str) -> None:
    status = pod.setdefault("status", {})
    # It was of use until the pod had a node.
    status.pop("nominatedNodeName", None)
    conditions = status.setdefault("conditions", [])
    conditions[:] = [condition for condition in conditions if condition["type"] != "PodScheduled"]
    conditions.append({"lastProbeTime": None, "lastTransitionTime": stamp, "status": "True", "type": "PodScheduled"})


async def finalize(api: Api, call: Call, resource: ResourceType) -> Answer:
    """Replace a namespace's own finalizers; the last one gone, a deleted namespace goes too."""
    body = decoding.decode(call, resource.kind).object
    wanted = (body.get("spec") or {}).get("finalizers") or []
    for _ in range(_TRIES):
        before = stored_object(api, call, resource)
        namespace = before.copy()
        version = (body.get("metadata") or {}).get("resourceVersion")
        if version and version != namespace["metadata"]["resourceVersion"]:
            raise writes.modified(resource, call.info.name)
        namespace.setdefault("spec", {})["finalizers"] = wanted
        if not wanted:
            namespace["spec"].pop("finalizers")
        done = namespace["metadata"].get("deletionTimestamp") and not namespace["metadata"].get("finalizers")
        try:
            if done and not wanted:
                stored = await api.storage.delete(resource.bucket, before, namespace)
            else:
                stored = await api.storage.update(resource.bucket, before, namespace)
        except Conflict:
            continue
        return ObjectAnswer(stored.object, resource)
    raise writes.modified(resource, call.info.name)


def _token_seconds(spec: JsonObject) -> int:
    """Older kubectls write a null where nothing was asked for. Raises StatusError."""
    seconds: int | None = spec.get("expirationSeconds")
    if seconds is None:
        return _DEFAULT_TOKEN_S
    said = ""
    if seconds < _SHORTEST_TOKEN_S:
        said = "may not specify a duration less than 10 minutes"
    elif seconds > _LONGEST_TOKEN_S:
        said = "may not specify a duration larger than 2^32 seconds"
    if said:
        raise _bad_token_request([invalid("spec.expirationSeconds", seconds, said)])
    return seconds


async def request_token(api: Api, call: Call, resource: ResourceType) -> Answer:
    """A fresh token for a service account (`serviceaccounts/token`)."""
    options.check_write(call, "CreateOptions")
    request = decoding.decode(call, "TokenRequest").object if call.body else {}
    account = stored_object(api, call, resource).object
    request = await admit(api, call, resource, "CREATE", request)
    spec = request.get("spec") or {}
    seconds = _token_seconds(spec)
    bound = spec.get("boundObjectRef")
    if bound:
        _check_bound(api, call, bound, account)
    audiences = spec.get("audiences") or [DEFAULT_AUDIENCE]
    now = api.clock()
    metadata = account["metadata"]
    token = api.tokens.issue(
        Account(metadata["namespace"], metadata["name"], metadata["uid"]),
        audiences=audiences,
        seconds=seconds,
        bound=bound,
        now=now.timestamp(),
    )
    result = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": str(uuid.uuid4()),
            "creationTimestamp": strategies.timestamp(now),
        },
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound or None},
        "status": {"token": token, "expirationTimestamp": strategies.timestamp(now + timedelta(seconds=seconds))},
    }
    return ObjectAnswer(result, status=201)


def _bad_token_request(errors: list[Any]) -> StatusError:
    body = invalid_status(group="authentication.k8s.io", kind="TokenRequest", name="", errors=errors)
    return StatusError.from_body(body)


def _check_bound(api: Api, call: Call, bound: JsonObject, account: JsonObject) -> None:
    buckets = {"Pod": "/pods", "Secret": "/secrets", "Node": "/nodes"}
    bucket = buckets.get(bound.get("kind", ""))
    if bucket is None:
        raise bad_request(
            f"cannot bind token for serviceaccount to type {bound.get('apiVersion', '')}, Kind={bound.get('kind', '')}"
        )
    namespace = "" if bound["kind"] == "Node" else call.info.namespace
    stored = api.storage.get(bucket, namespace, bound.get("name", ""))
    if stored is None:
        raise StatusError(
            404,
            "NotFound",
            f'{bucket[1:]} "{bound.get("name", "")}" not found',
            {"name": bound.get("name", ""), "kind": bucket[1:]},
        )
    uid = stored.object["metadata"]["uid"]
    if bound.get("uid") and bound["uid"] != uid:
        raise conflict(bucket[1:], "", bound["name"], _OTHER_UID.format(bound["uid"]))
    bound["uid"] = uid
    name = account["metadata"]["name"]
    if bound["kind"] == "Pod" and stored.object["spec"].get("serviceAccountName") != name:
        raise bad_request(
            f'cannot bind token for serviceaccount "{name}" to pod running with different serviceaccount name.'
        )


HANDLERS: Final[dict[tuple[str, str], Handler]] = {
    ("scale", "get"): get_scale,
    ("scale", "update"): replace_scale,
    ("scale", "patch"): patch_scale,
    ("binding", "create"): bind,
    ("eviction", "create"): evict,
    ("finalize", "update"): finalize,
    ("token", "create"): request_token,
}
"""(subresource, verb) → handler; what is missing here is a status-like part of the object."""
