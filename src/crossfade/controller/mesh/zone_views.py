"""What nodes of a zone are shown of their proxy's resources: endpoints of their own zone first."""

from collections.abc import Iterable

from crossfade.compile.mesh.zones import NO_ZONES, Zones
from crossfade.envoy.resource_set import ResourceSet, ResourceType
from crossfade.envoy.shared_endpoints import SharedEndpoints


class ZoneViews:
    """Nodes of one proxy and zone share what they see."""

    def __init__(self) -> None:
        self._zones: Zones = NO_ZONES
        self._views: dict[tuple[str, str], tuple[ResourceSet, ResourceSet]] = {}

    def learn(self, zones: Zones | None) -> set[str]:
        """The nodes whose zone is another now."""
        before, self._zones = self._zones, NO_ZONES if zones is None else zones
        return set() if self._zones is before else {node for node, _ in before.items() ^ self._zones.items()}

    def drop(self, proxy: str) -> None:
        self._views = {key: view for key, view in self._views.items() if key[0] != proxy}

    def of(
        self, proxy: str, node: str, resources: ResourceSet, zoned: Iterable[str], endpoints: SharedEndpoints
    ) -> ResourceSet:
        """`zoned` are the clusters that prefer a node's own zone."""
        zone = self._zones.get(node)
        if zone is None:
            return resources
        known = self._views.get((proxy, zone))
        if known is None or known[0] is not resources:
            there = resources.of(ResourceType.ENDPOINTS)
            found = {name: endpoints.in_zone(name, zone) for name in zoned if name in there}
            known = resources, resources.replacing(ResourceType.ENDPOINTS, found) if found else resources
            self._views[proxy, zone] = known
        return known[1]
