"""The parameters of policies: objects of the kind that the policy names, chosen by its bindings."""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.conversion.versions import to_served
from crossfade_local.apiserver.state.selectors import selector_from_struct
from crossfade_local.apiserver.state.storage import Storage, Stored
from crossfade_local.apiserver.types.registry import Registry, ResourceType
from crossfade_local.values.fields import mapping, text

_NONE_FOUND: Final = "no params found for policy binding with `Deny` parameterNotFoundAction"


class ConfigurationError(Exception):
    """Policy and binding cannot be carried out; the text is Kubernetes'."""


def resource_of(kind: JsonObject, registry: Registry) -> ResourceType | None:
    return registry.by_kind(*group_version(kind), text(kind, "kind"))


def group_version(kind: JsonObject) -> tuple[str, str]:
    group, _, version = text(kind, "apiVersion").rpartition("/")
    return group, version


def parameter_type(spec: JsonObject, registry: Registry) -> ResourceType | None:
    """None for a policy without parameters. Raises ConfigurationError."""
    kind = spec.get("paramKind")
    if kind is None:
        return None
    found = resource_of(kind, registry)
    if found is None:
        group, version = group_version(kind)
        named = f"{group}/{version}, Kind={text(kind, 'kind')}"
        raise ConfigurationError(f"failed to find resource referenced by paramKind: '{named}'")
    return found


def parameters(
    resource: ResourceType | None, reference: JsonObject | None, namespace: str, storage: Storage
) -> list[JsonObject | None]:
    """Those that a binding chooses; a single None where it, or the policy, has none. Raises ConfigurationError.

    `namespace` is that of the request.
    """
    if resource is None or reference is None:
        return [None]
    place = text(reference, "namespace")
    if not resource.namespaced:
        if place:
            raise ConfigurationError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    elif not (place := place or namespace):
        said = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        raise ConfigurationError(said)
    found = [to_served(resource, one.object) for one in _chosen(resource, reference, place, storage)]
    if not found and text(reference, "parameterNotFoundAction") == "Deny":
        raise ConfigurationError(_NONE_FOUND)
    return list(found)


def _chosen(resource: ResourceType, reference: JsonObject, place: str, storage: Storage) -> list[Stored]:
    if name := text(reference, "name"):
        stored = storage.get(resource.bucket, place, name)
        return [stored] if stored else []
    selector = selector_from_struct(mapping(reference, "selector"))
    all_there = storage.scan(resource.bucket, place if resource.namespaced else None)
    return [one for one in all_there if selector is None or selector.matches(one.object)]
