"""Endpoints that many proxies use, encoded once: a change of one cluster's is one small resource."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from crossfade.compile.model import Endpoint
from crossfade.envoy.endpoint import load_assignment
from crossfade.envoy.resource_set import Resource, ResourceType, encoded
from crossfade.envoy.resources import Failed


class _Known(NamedTuple):
    endpoints: tuple[Endpoint, ...]
    resource: Resource


class SharedEndpoints:
    """`failed` are those that could not be encoded the last time; they keep their last good version, or have none."""

    def __init__(self) -> None:
        self.failed: list[Failed] = []
        self._known: dict[str, _Known] = {}
        self._in_zones: dict[tuple[str, str], _Known] = {}

    def update(self, wanted: Mapping[str, tuple[Endpoint, ...]]) -> dict[str, Resource]:
        """`wanted` is by cluster. What is new or different."""
        self.failed = []
        before, self._known = self._known, {}
        self._in_zones = {key: known for key, known in self._in_zones.items() if key[0] in wanted}
        changed: dict[str, Resource] = {}
        for name, endpoints in wanted.items():
            known = before.get(name)
            if known is None or (known.endpoints is not endpoints and known.endpoints != endpoints):
                fresh = self._encoded(name, endpoints)
                if fresh is not None:
                    known = _Known(endpoints, fresh)
                    changed[name] = fresh
            if known is not None:
                self._known[name] = known
        return changed

    def of(self, clusters: Iterable[str]) -> dict[str, Resource]:
        """One for each: Envoy would wait for one that is missing."""
        return {name: self._known[name].resource if name in self._known else encode(name, ()) for name in clusters}

    def in_zone(self, cluster: str, zone: str) -> Resource:
        """As callers of the zone get it that prefer their own: the first time that one asks it is encoded."""
        known, before = self._known.get(cluster), self._in_zones.get((cluster, zone))
        endpoints = known.endpoints if known is not None else ()
        if before is None or before.endpoints is not endpoints:
            before = self._in_zones[cluster, zone] = _Known(endpoints, encode(cluster, endpoints, own_zone=zone))
        return before.resource

    def _encoded(self, name: str, endpoints: tuple[Endpoint, ...]) -> Resource | None:
        try:
            return encode(name, endpoints)
        except Exception as exc:
            self.failed.append(Failed(ResourceType.ENDPOINTS, name, exc))
            return None


def encode(cluster: str, endpoints: Iterable[Endpoint], *, own_zone: str = "") -> Resource:
    return encoded(cluster, load_assignment(cluster, endpoints, own_zone=own_zone))
