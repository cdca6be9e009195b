"""From a request's body to an object in stored form, and the checks every new version of an object goes through."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.condition_rules import condition_errors
from crossfade_local.apiserver.admission.webhook_rules import MUTATING, VALIDATING
from crossfade_local.apiserver.aside import aside
from crossfade_local.apiserver.conversion.versions import to_stored
from crossfade_local.apiserver.crd import custom_resources, lifecycle
from crossfade_local.apiserver.crd.definition_rules import definition_errors
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.defaults import apply_defaults
from crossfade_local.apiserver.policies.index import MUTATING as MUTATING_POLICIES
from crossfade_local.apiserver.policies.index import POLICIES
from crossfade_local.apiserver.policies.stored import policy_errors
from crossfade_local.apiserver.state.sizes import TooLarge, check_size
from crossfade_local.apiserver.types.registry import Gvk, ResourceType
from crossfade_local.apiserver.types.schema import SchemaNode
from crossfade_local.apiserver.types.typed import WrongTypeError, conform
from crossfade_local.apiserver.validation import validate, validate_status
from crossfade_local.apiserver.validation.ephemeral_containers import validate_ephemeral_containers
from crossfade_local.apiserver.validation.errors import FieldError, invalid
from crossfade_local.apiserver.validation.lengths import length_errors
from crossfade_local.apiserver.validation.pod_resize import validate_pod_resize
from crossfade_local.apiserver.validation.status_error import invalid_status
from crossfade_local.apiserver.wire.decoding import Body
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import StatusError, bad_request, plain_error

_INTERNAL_PACKAGES: Final = {"": "core", "rbac.authorization.k8s.io": "rbac", "networking.k8s.io": "networking"}


_DOUBLED_OWNERS: Final = (
    ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject "
    "such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
)

Refusal = Callable[[str], StatusError]
"""What is answered for an object that cannot be decoded, by the reason."""


def admit_body(resource: ResourceType, call: Call, body: Body, refusal: Refusal | None = None) -> JsonObject:
    """The object of a create, replace or patch, in stored form with defaults; raises StatusError."""
    obj = body.object
    check_kind(resource, obj)
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    typed = known_fields(resource, obj, refusal)
    _report(call, typed.unknown, body.duplicates, refusal or _unusable(resource.gvk))
    _drop_doubled_owners(call, typed.object["metadata"])
    return with_defaults(resource, typed.object)


def _drop_doubled_owners(call: Call, metadata: JsonObject) -> None:
    kept: dict[bytes, JsonObject] = {}
    doubled = []
    for owner in metadata.get("ownerReferences") or []:
        if (key := orjson.dumps(owner, option=orjson.OPT_SORT_KEYS)) in kept:
            doubled.append(owner.get("uid", ""))
        else:
            kept[key] = owner
    if doubled:
        metadata["ownerReferences"] = list(kept.values())
        call.warn(_DOUBLED_OWNERS + ", ".join(doubled))


@dataclass(frozen=True)
class Known:
    object: JsonObject
    unknown: list[str]


def known_fields(resource: ResourceType, obj: JsonObject, refusal: Refusal | None = None) -> Known:
    """Without the fields that the kind doesn't have; raises StatusError where a value has a wrong type."""
    try:
        if resource.custom is not None:
            result = custom_resources.prune(resource, obj)
            return Known(result.object, result.unknown)
        typed = conform(resource.schema, obj)
    except WrongTypeError as error:
        raise (refusal or _unusable(resource.gvk))(str(error)) from error
    return Known(typed.object, typed.unknown)


def known_unstored(gvk: Gvk, schema: SchemaNode, obj: JsonObject) -> Known:
    """The same of an object that is never stored, as a Scale; options of commands have no schema."""
    if not schema.properties:
        return Known(obj, [])
    try:
        typed = conform(schema, obj)
    except WrongTypeError as error:
        raise _unusable(gvk)(str(error)) from error
    return Known(typed.object, typed.unknown)


def with_defaults(resource: ResourceType, obj: JsonObject) -> JsonObject:
    """In stored form, defaults filled in."""
    if resource.custom is not None:
        return to_stored(resource, custom_resources.with_defaults(resource, obj))
    stored = apply_defaults(resource.storage_gvk, to_stored(resource, obj))
    if resource.bucket == lifecycle.BUCKET:
        lifecycle.fill_names(stored)
    return stored


async def check(
    rules: Rules, resource: ResourceType, new: JsonObject, old: JsonObject | None, *, subresource: str = "", size: int
) -> int:
    """Validate an object in stored form; raises StatusError 422, TooLarge.

    `size` is of what it was made of; defaults and webhooks may have made it larger. Returns how many bytes there are
    to go through.
    """
    size = max(size, await aside(size, lambda: _size_of_storable(resource, new)) + resource.weight)
    if resource.custom is not None:
        errors = await custom_resources.errors_of(rules, resource, new, old, subresource=subresource, size=size)
    else:
        errors = await aside(size, lambda: _errors(resource, new, old, subresource))
        if resource.bucket == lifecycle.BUCKET and subresource != "status":
            errors = await definition_errors(rules, new, old, found=errors, size=size)
        elif resource.bucket in (MUTATING, VALIDATING) and not errors:
            errors = await condition_errors(rules, new, old)
        elif resource.bucket in (POLICIES, MUTATING_POLICIES) and subresource != "status":
            errors += await policy_errors(rules, resource.bucket, new, old)
    if errors:
        raise invalid_object(resource, new["metadata"].get("name", ""), errors)
    return size


def _size_of_storable(resource: ResourceType, obj: JsonObject) -> int:
    """Before anything else is looked at, which takes a while where an object has hundreds of thousands of parts."""
    raw = orjson.dumps(obj)
    try:
        check_size(resource.bucket, obj, raw)
    except TooLarge:
        if errors := list(length_errors(resource.storage_gvk, obj)):
            raise invalid_object(resource, obj["metadata"].get("name", ""), errors) from None
        raise
    return len(raw)


def _errors(resource: ResourceType, new: JsonObject, old: JsonObject | None, subresource: str) -> list[FieldError]:
    if subresource in ("approval", "status") and old is not None:
        return validate_status(resource.storage_gvk, new, old)
    if subresource == "ephemeralcontainers" and old is not None:
        return list(validate_ephemeral_containers(new, old))
    if subresource == "resize" and old is not None:
        return list(validate_pod_resize(new, old))
    # Events are stricter in the group that is not stored.
    return validate(resource.gvk if resource.group == "events.k8s.io" else resource.storage_gvk, new, old)


def invalid_object(resource: ResourceType, name: str, errors: list[FieldError]) -> StatusError:
    return StatusError.from_body(
        invalid_status(group=resource.storage[0], kind=resource.storage_kind, name=name, errors=errors)
    )


def check_kind(resource: ResourceType, obj: JsonObject) -> None:
    """Whether a body is of the resource it was sent to; raises StatusError."""
    kind, api_version = obj.get("kind") or resource.kind, obj.get("apiVersion") or resource.api_version
    if kind != resource.kind or api_version != resource.api_version:
        if resource.custom is not None:
            raise _wrong_custom_kind(resource, obj, kind, api_version)
        if api_version != resource.api_version:
            raise bad_request(
                f"the API version in the data ({api_version}) does not match the expected API version"
                f" ({resource.api_version})"
            )
        package = _INTERNAL_PACKAGES.get(resource.group, resource.group.partition(".")[0])
        raise bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: converting'
            f" ({resource.version}.{kind}) to ({package}.{resource.kind}): unknown conversion"
        )
    obj["kind"], obj["apiVersion"] = kind, api_version


def _wrong_custom_kind(resource: ResourceType, obj: JsonObject, kind: str, api_version: str) -> StatusError:
    errors = []
    if kind != resource.kind:
        errors.append(invalid("kind", kind, f"must be {resource.kind}"))
    if api_version != resource.api_version:
        errors.append(invalid("apiVersion", api_version, f"must be {resource.api_version}"))
    name = (obj.get("metadata") or {}).get("name", "")
    return StatusError.from_body(invalid_status(group=resource.group, kind=kind, name=name, errors=errors))


def _report(call: Call, unknown: list[str], duplicates: tuple[str, ...], refusal: Refusal) -> None:
    """Unknown and doubled fields: refused, named in warnings, or passed over, as the client asked."""
    mode = call.query.get("fieldValidation") or "Warn"
    if mode == "Ignore" or not (unknown or duplicates):
        return
    faults = [f'duplicate field "{name}"' for name in duplicates] + [f'unknown field "{path}"' for path in unknown]
    if mode == "Warn":
        for fault in faults:
            call.warn(fault)
        return
    raise refusal(f"strict decoding error: {', '.join(faults)}")


def _unusable(gvk: Gvk) -> Refusal:
    _, version, kind = gvk
    return lambda why: bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


def check_place(call: Call, obj: JsonObject, *, namespaced: bool) -> None:
    """The object's namespace is that of the path; raises StatusError 400."""
    metadata = obj["metadata"]
    namespace = call.info.namespace if namespaced else ""
    if metadata.get("namespace") and metadata["namespace"] != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if namespace:
        metadata["namespace"] = namespace


def check_name(call: Call, obj: JsonObject) -> None:
    name = obj["metadata"].get("name", "")
    if not name:
        raise nameless(call)
    if name != call.info.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.info.name})")


def nameless(call: Call) -> StatusError:
    return bad_request(
        f"the name of the object ({call.info.name} based on URL) was undeterminable: name must be provided"
    )


def check_no_version(obj: JsonObject) -> None:
    if obj["metadata"].get("resourceVersion"):
        raise plain_error("resourceVersion should not be set on objects to be created")
