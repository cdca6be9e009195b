"""The sidecar that the gateway's pod would have, compiled as the mesh controller compiles it."""

from collections.abc import Mapping

from msgspec import Struct

from crossfade.compile.diagnostics import Fault
from crossfade.compile.mesh import ArnScope, ClusterView, MeshCompiler
from crossfade.compile.model import Endpoint, ProxyModel
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import ObjectRef


class OwnSidecar(Struct, frozen=True, eq=False):
    """`node` is the VirtualNode; `endpoints` are those of clusters that share theirs with other proxies, by name.

    `has_identity`: the gateway's proxy can ask the mesh's controller for one.
    """

    node: ObjectRef
    model: ProxyModel
    endpoints: Mapping[str, tuple[Endpoint, ...]]
    faults: tuple[Fault, ...] = ()
    has_identity: bool = False


class OwnNode:
    """`path` is `mesh/<mesh>/virtualNode/<node>`, as the injector says it to pods; `domain` the cluster's DNS domain.

    One snapshot after the other; a virtual node that is gone, or cannot be compiled, leaves what was there last, as a
    sidecar keeps what it has.
    """

    def __init__(self, path: str, domain: str, *, has_identity: bool = False) -> None:
        self.path = path
        self._has_identity = has_identity
        self._compiler = MeshCompiler(ArnScope(), ClusterView(domain))
        self._last: OwnSidecar | None = None

    def sidecar(self, snapshot: Snapshot) -> OwnSidecar | None:
        """None until the virtual node is there for the first time."""
        mesh = self._compiler.compile(snapshot, {})
        owner, model = mesh.owners.get(self.path), mesh.proxies.get(self.path)
        if owner is not None and model is not None:
            endpoints = mesh.endpoints.get(self.path.split("/")[1], {})
            found = OwnSidecar(owner, model, endpoints, mesh.faults, self._has_identity)
            if self._last is None or not _are_same(self._last, found):
                self._last = found
        return self._last


def _are_same(one: OwnSidecar, other: OwnSidecar) -> bool:
    return one.model is other.model and one.node == other.node and one.endpoints == other.endpoints
