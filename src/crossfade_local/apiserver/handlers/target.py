"""Finds what a path points at: the resource, its subresource, the stored object."""

from typing import Final

from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.state.storage import Stored
from crossfade_local.apiserver.types.registry import ResourceType, Subresource
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import PageNotFoundError, method_not_allowed, not_found, unknown_resource

_BUILTIN_GROUP_SUFFIX: Final = ".k8s.io"
_BUILTIN_GROUPS: Final = frozenset({"", "apps", "autoscaling", "batch", "policy", "extensions"})


def resource_of(api: Api, call: Call) -> ResourceType:
    """Raises StatusError 404, or PageNotFoundError in groups that nobody serves."""
    info = call.info
    found = api.registry.get(info.group, info.version, info.resource)
    if found is None or (found.namespaced is False and info.namespace and info.resource != "namespaces"):
        if info.group in _BUILTIN_GROUPS or info.group.endswith(_BUILTIN_GROUP_SUFFIX) or found:
            raise unknown_resource()
        raise PageNotFoundError
    if found.namespaced and not info.namespace and (info.name and call.info.verb not in ("list", "watch")):
        raise unknown_resource()
    return found


def subresource_of(resource: ResourceType, call: Call) -> Subresource | None:
    """Raises StatusError 404 for a subresource that the resource lacks, 405 for a verb that it lacks."""
    info = call.info
    if info.subresource:
        found = resource.subresources.get(info.subresource.partition("/")[0])
        if found is None:
            raise unknown_resource()
        if info.verb not in found.verbs:
            raise method_not_allowed()
        return found
    on_collection = info.verb in ("create", "list", "deletecollection", "watch")
    has_name = bool(call.info.name) and info.verb not in ("list", "watch", "deletecollection")
    if info.verb not in resource.verbs or (info.verb != "watch" and on_collection == has_name):
        raise method_not_allowed()
    return None


def stored_object(api: Api, call: Call, resource: ResourceType) -> Stored:
    """Raises StatusError 404."""
    namespace = call.info.namespace if resource.namespaced else ""
    found = api.storage.get(resource.bucket, namespace, call.info.name)
    if found is None:
        raise not_found(resource.plural, resource.group, call.info.name)
    return found
