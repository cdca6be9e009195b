"""Whose doing it is when the gateway's proxy refuses a resource (kong.md §1.9)."""

from typing import Final

from crossfade.compile.model import ProxyModel
from crossfade.envoy.resource_set import ResourceType
from crossfade_kube.meta import ObjectRef

APPLY_FAILED: Final = "KongConfigurationApplyFailed"


def suspects(kind: ResourceType, name: str, refused: ProxyModel) -> list[ObjectRef]:
    """Ordered; empty where nobody in particular can be blamed."""
    if kind not in (ResourceType.CLUSTER, ResourceType.ENDPOINTS):
        return []
    return sorted({cluster.origin.ref for cluster in refused.clusters if cluster.name == name})
