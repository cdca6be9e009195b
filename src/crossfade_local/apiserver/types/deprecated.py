"""What a client is told that uses a version which is on its way out, in Kubernetes' words."""

from typing import Final, NamedTuple

from crossfade_local.apiserver.types.registry import ResourceType

_DEPRECATED: Final = {
    ("", "v1", "Endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ("policy", "v1beta1", "PodSecurityPolicy"): (
        "policy/v1beta1 PodSecurityPolicy is deprecated in v1.21+, unavailable in v1.25+"
    ),
}


class _Gone(NamedTuple):
    deprecated: str
    unavailable: str
    replaced_by: str


_GONE: Final = {
    ("autoscaling", "v2beta2"): _Gone("v1.23", "v1.26", "v2"),
    ("policy", "v1beta1"): _Gone("v1.21", "v1.25", "v1"),
    ("rbac.authorization.k8s.io", "v1beta1"): _Gone("v1.17", "v1.22", "v1"),
}


def deprecation_of(resource: ResourceType) -> str:
    """Empty for what is there to stay."""
    if resource.custom is not None:
        version = resource.custom.version
        if not version.get("deprecated"):
            return ""
        return str(version.get("deprecationWarning") or f"{resource.api_version} {resource.kind} is deprecated")
    gone = _GONE.get((resource.group, resource.version))
    if resource.gvk in _DEPRECATED or gone is None:
        return _DEPRECATED.get(resource.gvk, "")
    return (
        f"{resource.api_version} {resource.kind} is deprecated in {gone.deprecated}+, unavailable in "
        f"{gone.unavailable}+; use {resource.group}/{gone.replaced_by} {resource.kind}"
    )
