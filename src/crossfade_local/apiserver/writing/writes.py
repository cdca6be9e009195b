"""How a new version of an object comes to be stored: admission, the server's own fields, validation, bookkeeping."""

from collections.abc import Callable
from functools import partial
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.apply import track_update
from crossfade_local.apiserver.aside import aside
from crossfade_local.apiserver.crd import lifecycle
from crossfade_local.apiserver.state.storage import Conflict, Stored
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.types.schema import SchemaNode
from crossfade_local.apiserver.types.zero_values import with_zero_values
from crossfade_local.apiserver.validation.errors import required
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import MODIFIED, StatusError, already_exists, conflict
from crossfade_local.apiserver.writing import fields_not_honoured, objects, strategies
from crossfade_local.apiserver.writing.advice import warnings_on_create, warnings_on_update
from crossfade_local.apiserver.writing.inert import warning_for

Track = Callable[[JsonObject | None, JsonObject], JsonObject]
"""(old, new) → new with its managedFields."""

_NAME_TRIES: Final = 8


def storage_schema(api: Api, resource: ResourceType) -> SchemaNode:
    if resource.is_stored_form:
        return resource.schema
    stored = api.registry.get(*resource.storage)
    return stored.schema if stored else resource.schema


def update_tracker(api: Api, call: Call, resource: ResourceType, subresource: str = "") -> Track:
    """Bookkeeping of an ordinary write by the caller's field manager."""
    schema = storage_schema(api, resource)

    def track(old: JsonObject | None, new: JsonObject) -> JsonObject:
        return track_update(old, new, manager=call.manager, subresource=subresource, schema=schema, now=api.clock())

    return track


async def create(
    api: Api, call: Call, resource: ResourceType, obj: JsonObject, *, track: Track | None = None
) -> JsonObject:
    """Store a new object given in stored form; returns it as stored. Raises StatusError."""
    objects.check_no_version(obj)
    objects.check_place(call, obj, namespaced=resource.namespaced)
    namespace = obj["metadata"].get("namespace", "") if resource.namespaced else ""
    attributes = Attributes(
        call, resource, "CREATE", namespace, obj["metadata"].get("name", ""), obj, dry_run=call.is_dry_run
    )
    size = len(call.body) + resource.weight
    schema = storage_schema(api, resource)
    sent = await aside(size, partial(with_zero_values, schema, obj))
    managers = await _managers(track or update_tracker(api, call, resource), None, sent, size=size)
    await api.admission.mutate(attributes)
    assert attributes.new is not None
    obj = attributes.new
    strategies.prepare_create(resource, obj, api.clock())
    obj = await aside(size, partial(with_zero_values, schema, obj))
    is_named = bool(obj["metadata"].get("name"))
    for _ in range(_NAME_TRIES):
        name = _named(resource, obj)
        attributes.name = name
        size = await objects.check(api.rules, resource, obj, None, size=size)
        if not name:
            error = required("metadata.name", "name or generateName is required")
            raise objects.invalid_object(resource, "", [error])
        for warning in warnings_on_create(resource.storage_gvk, obj):
            call.warn(warning)
        for warning in fields_not_honoured.warnings_for(resource.storage_gvk, obj):
            call.warn(warning)
        if warning := warning_for(resource.storage[0], resource.storage_kind, name):
            call.warn(warning)
        if resource.bucket == lifecycle.BUCKET:
            obj["status"] = lifecycle.initial_status(obj, api.registry, api.clock())
        attributes.new = _with_managers(obj, managers)
        await api.admission.validate(attributes)
        if call.is_dry_run and api.storage.get(resource.bucket, namespace, name) is None:
            return attributes.new
        try:
            return (await api.storage.create(resource.bucket, namespace, name, attributes.new)).object
        except Conflict:
            if is_named:
                break
            obj["metadata"].pop("name")
    found = api.storage.get(resource.bucket, namespace, attributes.name)
    is_ending = found is not None and "deletionTimestamp" in found.object["metadata"]
    raise already_exists(resource.plural, resource.group, attributes.name, is_ending=is_ending)


async def _managers(track: Track, old: JsonObject | None, sent: JsonObject, *, size: int) -> list[JsonObject] | None:
    """Who manages which field after this write: what admission adds to the object sent is managed by nobody."""
    tracked = await aside(size, lambda: track(old, sent))
    found: list[JsonObject] | None = tracked["metadata"].get("managedFields")
    return found


def _with_managers(obj: JsonObject, managers: list[JsonObject] | None) -> JsonObject:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if managers:
        metadata["managedFields"] = managers
    return {**obj, "metadata": metadata}


def _named(resource: ResourceType, obj: JsonObject) -> str:
    metadata = obj["metadata"]
    name = metadata.get("name") or ""
    if not name and metadata.get("generateName"):
        name = metadata["name"] = strategies.generated_name(metadata["generateName"])
    if not name and (name := strategies.name_if_unsaid(resource)):
        metadata["name"] = name
    if resource.bucket == "/namespaces":
        metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    return str(name)


async def update(
    api: Api,
    call: Call,
    resource: ResourceType,
    before: Stored,
    new: JsonObject,
    *,
    subresource: str = "",
    track: Track | None = None,
    is_admitted: bool = False,
) -> JsonObject:
    """Store a new version (stored form) of the object that was read; raises Conflict if it changed meanwhile.

    `is_admitted`: webhooks and policies have seen the request in another form.
    """
    old = before.object
    size = len(call.body) + len(before.raw) + resource.weight
    schema = storage_schema(api, resource)
    new = await aside(size, partial(with_zero_values, schema, new))
    prepared = strategies.prepare_update(resource, new, old, subresource, api.clock())
    tracker = track or update_tracker(api, call, resource, subresource)
    managers = await _managers(tracker, old, prepared, size=size)
    attributes = Attributes(
        call,
        resource,
        "UPDATE",
        *before.key,
        new,
        old,
        subresource,
        dry_run=call.is_dry_run,
        is_admitted=is_admitted,
    )
    await api.admission.mutate(attributes)
    assert attributes.new is not None
    result = strategies.prepare_update(resource, attributes.new, old, subresource, api.clock())
    result = await aside(size, partial(with_zero_values, schema, result))
    result["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    size = await objects.check(api.rules, resource, result, old, subresource=subresource, size=size)
    if not subresource:
        for warning in warnings_on_update(resource.storage_gvk, result, old):
            call.warn(warning)
        for warning in fields_not_honoured.warnings_for(resource.storage_gvk, result):
            call.warn(warning)
    if resource.bucket == lifecycle.BUCKET and not subresource:
        result["status"] = lifecycle.updated_status(result, old, api.registry, api.clock())
    attributes.new = _with_managers(result, managers)
    await api.admission.validate(attributes)
    stored = attributes.new
    stored["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    current = api.storage.get(resource.bucket, *before.key)
    if current is None or current.revision != before.revision:
        raise Conflict(current)
    if stored == old or call.is_dry_run:
        return stored
    if _is_finished(stored):
        return (await api.storage.delete(resource.bucket, before, stored)).object
    return (await api.storage.update(resource.bucket, before, stored)).object


def _is_finished(obj: JsonObject) -> bool:
    """Deleted before, and the last one that held it back has let go."""
    metadata = obj["metadata"]
    held = metadata.get("finalizers") or ((obj.get("spec") or {}).get("finalizers") and obj["kind"] == "Namespace")
    return bool(metadata.get("deletionTimestamp")) and not held and not metadata.get("deletionGracePeriodSeconds")


def modified(resource: ResourceType, name: str) -> StatusError:
    return conflict(resource.plural, resource.group, name, MODIFIED)
