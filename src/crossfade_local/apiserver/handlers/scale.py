"""The scale subresource: one number of a workload or custom resource, shown as autoscaling/v1 Scale."""

from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.handlers.registered import admit
from crossfade_local.apiserver.handlers.target import stored_object
from crossfade_local.apiserver.handlers.write import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from crossfade_local.apiserver.patch import DECODING, PatchError, apply_json_patch, apply_merge_patch
from crossfade_local.apiserver.state.storage import Conflict, Stored
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.validation.errors import invalid
from crossfade_local.apiserver.validation.status_error import invalid_status
from crossfade_local.apiserver.values.copies import copied
from crossfade_local.apiserver.wire import decoding
from crossfade_local.apiserver.wire.answers import Answer, ObjectAnswer
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import MODIFIED, StatusError, bad_request, conflict, unsupported_media_type
from crossfade_local.apiserver.writing import writes

_TRIES: Final = 5


def scale_of(resource: ResourceType, obj: JsonObject) -> JsonObject:
    spec_path, status_path, selector_path = _paths(resource)
    metadata = {
        key: obj["metadata"][key]
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if key in obj["metadata"]
    }
    status: JsonObject = {"replicas": _at(obj, status_path) or 0}
    selector = _selector_text(resource, obj, selector_path)
    if selector:
        status["selector"] = selector
    replicas = _at(obj, spec_path)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _paths(resource: ResourceType) -> tuple[list[str], list[str], list[str]]:
    if resource.custom is None:
        return ["spec", "replicas"], ["status", "replicas"], ["spec", "selector"]
    scale = resource.custom.scale or {}
    names = ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
    spec, status, selector = (scale.get(name, "").strip(".").split(".") for name in names)
    return spec, status, selector


def _selector_text(resource: ResourceType, obj: JsonObject, path: list[str]) -> str:
    from crossfade_local.apiserver.state.selectors import selector_from_labels, selector_from_struct

    found = _at(obj, path)
    if resource.custom is not None or isinstance(found, str):
        return found if isinstance(found, str) else ""
    if resource.plural == "replicationcontrollers":
        return str(selector_from_labels(found or {}))
    return str(selector_from_struct(found) or "")


def _at(obj: Any, path: list[str]) -> Any:
    for key in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(key)
    return obj


async def replace_scale(api: Api, call: Call, resource: ResourceType) -> Answer:
    body = decoding.decode(call, "Scale").object
    kind, version = body.get("kind") or "Scale", str(body.get("apiVersion") or "").rpartition("/")[2]
    if kind != "Scale":
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a Scale: converting ({version}.{kind}) to'
            " (autoscaling.Scale): unknown conversion"
        )
    return await _store(api, call, resource, lambda _: body)


async def patch_scale(api: Api, call: Call, resource: ResourceType) -> Answer:
    content = decoding.media_type(call.headers.get("Content-Type", ""))
    change = decoding.patch(call.body, "" if content == STRATEGIC_PATCH else DECODING)

    def patched(scale: JsonObject) -> JsonObject:
        try:
            if content == JSON_PATCH:
                return apply_json_patch(scale, change)
            if content in (MERGE_PATCH, STRATEGIC_PATCH):
                return apply_merge_patch(scale, change)
        except PatchError as error:
            raise StatusError.from_body(error.status()) from error
        raise unsupported_media_type()

    return await _store(api, call, resource, patched)


async def _store(api: Api, call: Call, resource: ResourceType, change: Any) -> Answer:
    for _ in range(_TRIES):
        before = stored_object(api, call, resource)
        old = scale_of(resource, before.object)
        scale = await admit(api, call, resource, "UPDATE", change(copied(old)), old)
        wanted = (scale.get("metadata") or {}).get("resourceVersion")
        if wanted and wanted != before.object["metadata"]["resourceVersion"]:
            raise conflict(resource.plural, resource.group, call.info.name, MODIFIED)
        replicas = (scale.get("spec") or {}).get("replicas", 0)
        if replicas < 0:
            error = invalid("spec.replicas", replicas, "must be greater than or equal to 0")
            body = invalid_status(group="autoscaling", kind="Scale", name=call.info.name, errors=[error])
            raise StatusError.from_body(body)
        try:
            stored = await writes.update(
                api, call, resource, before, _scaled(resource, before, replicas), subresource="scale", is_admitted=True
            )
        except Conflict:
            continue
        return ObjectAnswer(scale_of(resource, stored))
    raise writes.modified(resource, call.info.name)


def _scaled(resource: ResourceType, before: Stored, replicas: int) -> JsonObject:
    obj = before.copy()
    *parents, last = _paths(resource)[0]
    place: JsonObject = obj
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = replicas
    return obj
