"""Objects between the version a client speaks and the one that is stored."""

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.conversion import from_storage, to_storage
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.types.zero_values import with_zero_values


def to_stored(resource: ResourceType, obj: JsonObject) -> JsonObject:
    """The stored form of an object in `resource`'s version; the argument may be reused."""
    if resource.is_stored_form:
        return obj
    if resource.custom is not None:
        return {**obj, "apiVersion": resource.storage_api_version}
    return to_storage(resource.gvk, obj)


def to_served(resource: ResourceType, obj: JsonObject) -> JsonObject:
    """A stored object as `resource`'s version shows it; the stored one stays as it is."""
    if resource.custom is not None:
        # Objects that were stored before the definition's storage version changed still carry the older one.
        return obj if obj.get("apiVersion") == resource.api_version else {**obj, "apiVersion": resource.api_version}
    if resource.is_stored_form:
        return obj
    return with_zero_values(resource.schema, from_storage(resource.gvk, obj))
