"""Which objects may be to blame when a resource is refused."""

from crossfade.compile.model import ProxyModel
from crossfade.compile.origins import origins_of
from crossfade.compile.withheld import Part
from crossfade.envoy.names import GATEWAY_ROUTES
from crossfade.envoy.resource_set import ResourceType
from crossfade_kube.meta import ObjectRef


def suspects_of(model: ProxyModel, kind: ResourceType, name: str) -> tuple[ObjectRef, ...]:
    """All objects that a resource is made of. A cluster is made of one."""
    if kind in (ResourceType.CLUSTER, ResourceType.ENDPOINTS):
        return tuple(cluster.origin.ref for cluster in model.clusters if cluster.name == name)
    part = part_of(model, kind, name)
    return () if part is None else origins_of(part)


def part_of(model: ProxyModel, kind: ResourceType, name: str) -> Part | None:
    """What a resource is made of; None where that is one object, or where no object could be left out."""
    if kind is ResourceType.ROUTES:
        if name == GATEWAY_ROUTES and model.gateway is not None:
            return model.gateway
        return next((table for table in model.route_tables if table.name == name), None)
    if kind is ResourceType.LISTENER:
        return next((listener for listener in model.listeners if listener.name == name), None)
    return None
