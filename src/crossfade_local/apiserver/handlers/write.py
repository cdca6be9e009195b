"""Create, replace and patch."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.apply import ApplyConflict, ApplyError, check_applied, server_side_apply
from crossfade_local.apiserver.aside import aside
from crossfade_local.apiserver.conversion.versions import to_served, to_stored
from crossfade_local.apiserver.handlers.target import stored_object
from crossfade_local.apiserver.patch import (
    DECODING,
    PatchError,
    apply_json_patch,
    apply_merge_patch,
    apply_strategic_patch,
)
from crossfade_local.apiserver.state.storage import Conflict, Stored
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.types.schema import SchemaNode
from crossfade_local.apiserver.validation.errors import invalid
from crossfade_local.apiserver.validation.status_error import invalid_status
from crossfade_local.apiserver.values.copies import copied
from crossfade_local.apiserver.values.gotext import plain, to_json
from crossfade_local.apiserver.wire import decoding, options
from crossfade_local.apiserver.wire.answers import Answer, ObjectAnswer
from crossfade_local.apiserver.wire.decoding import Body
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import (
    StatusError,
    bad_request,
    conflict,
    not_found,
    plain_error,
    unsupported_body,
    unsupported_media_type,
)
from crossfade_local.apiserver.writing import objects, strategies, writes

_TRIES: Final = 5
JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
_PATCHES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)
_CUSTOM_PATCHES: Final = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)


async def create(api: Api, call: Call, resource: ResourceType) -> Answer:
    options.check_write(call, "CreateOptions")
    obj = await _admitted(call, resource)
    stored = await writes.create(api, call, resource, obj)
    return ObjectAnswer(to_served(resource, stored), resource, 201)


async def replace(api: Api, call: Call, resource: ResourceType, subresource: str = "") -> Answer:
    options.check_write(call, "UpdateOptions")
    obj = await _admitted(call, resource)
    objects.check_place(call, obj, namespaced=resource.namespaced)
    objects.check_name(call, obj)
    wanted = obj["metadata"].get("resourceVersion", "")

    async def attempt() -> Answer:
        before = _existing(api, call, resource)
        if before is None:
            if subresource or not strategies.allows_create_on_update(resource):
                raise not_found(resource.plural, resource.group, call.info.name)
            obj["metadata"].pop("resourceVersion", None)
            return ObjectAnswer(to_served(resource, await writes.create(api, call, resource, obj)), resource, 201)
        _check_preconditions(resource, obj, before, wanted, by_patch=False)
        stored = await writes.update(api, call, resource, before, copied(obj), subresource=subresource)
        return ObjectAnswer(to_served(resource, stored), resource)

    return await _retried(resource, call.info.name, attempt, once=bool(wanted))


async def _admitted(call: Call, resource: ResourceType) -> JsonObject:
    def work() -> JsonObject:
        return objects.admit_body(resource, call, decoding.decode(call, resource.kind))

    return await aside(len(call.body) + resource.weight, work)


async def patch(api: Api, call: Call, resource: ResourceType, subresource: str = "") -> Answer:
    options.check_write(call, "PatchOptions")
    content = decoding.media_type(call.headers.get("Content-Type", ""))
    if content not in _PATCHES:
        raise unsupported_media_type()
    if content == APPLY_PATCH:
        return await _apply(api, call, resource, subresource)
    options.forbid_force(call)
    if content == STRATEGIC_PATCH and resource.custom is not None:
        raise unsupported_body(_CUSTOM_PATCHES)
    change = await aside(
        len(call.body), lambda: decoding.patch(call.body, "" if content == STRATEGIC_PATCH else DECODING)
    )

    def result(before: Stored) -> JsonObject:
        patched = _patched(resource, to_served(resource, before.copy()), change, content)

        def refusal(why: str) -> StatusError:
            shown = plain(change) if content == STRATEGIC_PATCH else to_json(patched)
            return StatusError.from_body(
                invalid_status(group="", kind="", name="", errors=[invalid("patch", shown, why)])
            )

        return objects.admit_body(resource, call, Body(patched), refusal)

    async def attempt() -> Answer:
        before = stored_object(api, call, resource)
        size = len(call.body) + len(before.raw) + resource.weight
        obj = await aside(size, lambda: result(before))
        objects.check_name(call, obj)
        objects.check_place(call, obj, namespaced=resource.namespaced)
        _check_preconditions(resource, obj, before, obj["metadata"].get("resourceVersion", ""), by_patch=True)
        stored = await writes.update(api, call, resource, before, obj, subresource=subresource)
        return ObjectAnswer(to_served(resource, stored), resource)

    return await _retried(resource, call.info.name, attempt, once=False)


def _patched(resource: ResourceType, obj: JsonObject, change: Any, content: str) -> JsonObject:
    try:
        if content == JSON_PATCH:
            return apply_json_patch(obj, change)
        if content == MERGE_PATCH:
            return apply_merge_patch(obj, change)
        return apply_strategic_patch(obj, change, resource.schema)
    except PatchError as error:
        raise StatusError.from_body(error.status()) from error


async def _apply(api: Api, call: Call, resource: ResourceType, subresource: str) -> Answer:
    force = options.check_apply(call)
    applied = await aside(len(call.body), lambda: decoding.yaml_value(call.body))
    if not isinstance(applied, dict) or not applied.get("apiVersion") or not applied.get("kind"):
        raise bad_request(f"invalid object type: {_group_version_kind(applied if isinstance(applied, dict) else {})}")
    objects.check_kind(resource, applied)
    await aside(len(call.body) + resource.weight, lambda: _check_fit(applied, resource.schema))
    is_named = _check_identity(call, resource, applied)
    schema = writes.storage_schema(api, resource)
    applied = to_stored(resource, applied)
    if not resource.is_stored_form:
        # Versions that are not published any more have no schema of their own.
        await aside(len(call.body) + resource.weight, lambda: _check_fit(applied, schema))

    def merged(live: JsonObject | None) -> JsonObject:
        try:
            return server_side_apply(
                live,
                applied,
                manager=call.manager,
                force=force,
                subresource=subresource,
                schema=schema,
                now=api.clock(),
            )
        except ApplyConflict as error:
            raise StatusError.from_body(error.status()) from error
        except ApplyError as error:
            raise plain_error(str(error)) from error

    def keep(_: JsonObject | None, new: JsonObject) -> JsonObject:
        return new

    def result(before: Stored | None) -> JsonObject:
        stored_type = _stored_type(api, resource)
        known = objects.known_fields(stored_type, merged(before.copy() if before else None))
        return objects.with_defaults(stored_type, known.object)

    async def attempt() -> Answer:
        before = _existing(api, call, resource)
        _check_applied_identity(resource, call.info.name, applied["metadata"], before)
        size = len(call.body) + (len(before.raw) if before else 0) + resource.weight
        obj = await aside(size, lambda: result(before))
        if before is not None:
            stored = await writes.update(api, call, resource, before, obj, subresource=subresource, track=keep)
            return ObjectAnswer(to_served(resource, stored), resource)
        if subresource:
            raise not_found(resource.plural, resource.group, call.info.name)
        if not is_named:
            raise objects.nameless(call)
        stored = await writes.create(api, call, resource, obj, track=keep)
        return ObjectAnswer(to_served(resource, stored), resource, 201)

    return await _retried(resource, call.info.name, attempt, once=False)


def _group_version_kind(applied: JsonObject) -> str:
    group, _, version = str(applied.get("apiVersion") or "").rpartition("/")
    return f"{group}/{version}, Kind={applied.get('kind') or ''}"


def _check_fit(applied: JsonObject, schema: SchemaNode) -> None:
    try:
        check_applied(applied, schema)
    except ApplyError as error:
        raise plain_error(str(error)) from error


def _stored_type(api: Api, resource: ResourceType) -> ResourceType:
    return resource if resource.is_stored_form else api.registry.get(*resource.storage) or resource


def _check_identity(call: Call, resource: ResourceType, applied: JsonObject) -> bool:
    """Whether the name is said in the body too; raises StatusError where the body is of another place."""
    metadata = applied.get("metadata")
    if metadata is None:
        metadata = applied["metadata"] = {}
    if "managedFields" in metadata:
        raise bad_request("metadata.managedFields must be nil")
    is_named = bool(metadata.get("name"))
    metadata.setdefault("name", call.info.name)
    if resource.namespaced:
        metadata.setdefault("namespace", call.info.namespace)
    objects.check_name(call, applied)
    objects.check_place(call, applied, namespaced=resource.namespaced)
    return is_named


def _check_applied_identity(resource: ResourceType, name: str, metadata: JsonObject, before: Stored | None) -> None:
    """Another uid than the stored object's is refused with all else that may not change."""
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    if before is None and uid:
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(resource.plural, resource.group, name, why)
    if before is not None and version and version != before.object["metadata"]["resourceVersion"]:
        raise writes.modified(resource, name)


def _existing(api: Api, call: Call, resource: ResourceType) -> Stored | None:
    return api.storage.get(resource.bucket, call.info.namespace if resource.namespaced else "", call.info.name)


def _check_preconditions(
    resource: ResourceType, obj: JsonObject, before: Stored, wanted: str, *, by_patch: bool
) -> None:
    name = before.key[1]
    if not wanted and not by_patch and strategies.needs_version_on_update(resource):
        error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise StatusError.from_body(
            invalid_status(group=resource.group, kind=resource.plural, name=name, errors=[error])
        )
    if wanted and wanted != before.object["metadata"]["resourceVersion"]:
        raise writes.modified(resource, name)
    uid, current = obj["metadata"].get("uid"), before.object["metadata"].get("uid")
    # One that a patch changes is refused with all else that may not change.
    if uid and uid != current and not by_patch:
        prefix = f"/registry/{resource.group}" if resource.custom else "/registry"
        key = "/".join(part for part in (prefix, resource.plural, *before.key) if part)
        why = (
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg:"
            f" Precondition failed: UID in precondition: {uid}, UID in object meta: {current}"
        )
        raise conflict(resource.plural, resource.group, name, why)


async def _retried(
    resource: ResourceType, name: str, attempt: Callable[[], Awaitable[Answer]], *, once: bool
) -> Answer:
    """Run an attempt again on the newer object if someone else was faster, unless the client named a version."""
    for _ in range(1 if once else _TRIES):
        try:
            return await attempt()
        except Conflict:
            continue
    raise writes.modified(resource, name)
