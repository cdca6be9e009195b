"""Whose doing it is when the gateway's proxy refuses a resource: the objects that changed it last (kong.md §1.9).

The proxy names the resource only, and a route table is made of all Ingresses. So the blame is on what the refused
table has and the last one that was taken lacks; at the first table of all, on everything in it.
"""

from collections.abc import Iterator
from typing import Final

from crossfade.compile.model import ProxyModel, Route
from crossfade.envoy.resource_set import ResourceType
from crossfade_kube.meta import ObjectRef

APPLY_FAILED: Final = "KongConfigurationApplyFailed"
# With more suspects an Event says too little to be worth its noise.
MOST_SUSPECTS: Final = 100


def suspects(kind: ResourceType, name: str, refused: ProxyModel, taken: ProxyModel) -> list[ObjectRef]:
    """Ordered; empty where nobody in particular can be blamed."""
    found = {ref for ref in _origins(kind, name, refused, taken) if ref.kind}
    return sorted(found) if len(found) <= MOST_SUSPECTS else []


def _origins(kind: ResourceType, name: str, refused: ProxyModel, taken: ProxyModel) -> Iterator[ObjectRef]:
    if kind is ResourceType.ROUTES:
        routes = _routes(refused, name)
        for route in (routes - _routes(taken, name)) or routes:
            yield route.origin.ref
    elif kind in (ResourceType.CLUSTER, ResourceType.ENDPOINTS):
        for cluster in refused.clusters:
            if cluster.name == name:
                yield cluster.origin.ref


def _routes(model: ProxyModel, table: str) -> set[Route]:
    """Each once: virtual hosts share them."""
    found = (host.routes for each in model.route_tables if each.name == table for host in each.virtual_hosts)
    return {route for routes in found for route in routes}
