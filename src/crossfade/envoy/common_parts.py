"""What many proxies of a mesh have alike, encoded once.

Such parts differ in whom they come from only, and that Envoy never sees.
"""

from collections.abc import Callable, Hashable
from typing import Final, TypeAlias

from msgspec import structs

from crossfade.compile.model import Cluster, Listener
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import VirtualHost
from crossfade.envoy.resource_set import Resource
from crossfade_kube.meta import ObjectRef

_NOWHERE: Final = Origin(ObjectRef("", "", "", ""))
HostBytes: TypeAlias = dict[Hashable, bytes]


class CommonParts:
    """For as long as the models live that parts are taken from: one publication."""

    def __init__(self) -> None:
        self.hosts: HostBytes = {}
        """Virtual hosts as parts of a route table, by `host_key`."""
        self._resources: dict[Hashable, Resource] = {}

    def resource(self, part: object, make: Callable[[], Resource]) -> Resource:
        """What `make` gives for an equal part."""
        if isinstance(part, Cluster):
            key: Hashable = structs.replace(part, origin=_NOWHERE)
        elif isinstance(part, Listener):
            key = structs.replace(part, chains=tuple(structs.replace(chain, origin=None) for chain in part.chains))
        else:
            return make()
        found = self._resources.get(key)
        if found is None:
            found = self._resources[key] = make()
        return found


def host_key(host: VirtualHost) -> Hashable:
    """Routes of a virtual service are the very same for all that call it."""
    return host.name, host.domains, id(host.routes)
