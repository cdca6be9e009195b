"""A series of compilations of one cluster's meshes; what a change does not touch is not compiled again."""

from typing import Final

from crossfade.api.appmesh import Mesh
from crossfade.compile.memo import Memo
from crossfade.compile.mesh.admit import MEMBER_KINDS
from crossfade.compile.mesh.cloud_map import InstancesByName
from crossfade.compile.mesh.endpoints import NO_INSTANCES
from crossfade.compile.mesh.fallback import Accepted, Compiled, Memories, Refusals, compile_with_fallback
from crossfade.compile.mesh.model import MeshModel
from crossfade.compile.mesh.names import ArnScope
from crossfade.compile.mesh.pipeline import with_endpoints
from crossfade.compile.mesh.service_names import ANY_CLUSTER, ClusterView
from crossfade.compile.mesh.steady import SteadyObjects
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace, Secret, Service
from crossfade_kube.registry import TypedObject

ROUTING_KINDS: Final[tuple[type[TypedObject], ...]] = (Namespace, Mesh, *MEMBER_KINDS, Service, Secret)
"""What all but the endpoints depends on."""


class MeshCompiler:
    """`routing` is the last model without endpoints: the very same one as long as nothing of it changes.

    `foreign` are instances of Cloud Map that others have registered.
    """

    def __init__(self, scope: ArnScope, cluster: ClusterView = ANY_CLUSTER) -> None:
        self.routing: MeshModel | None = None
        self.foreign: InstancesByName = NO_INSTANCES
        self._scope = scope
        self._cluster = cluster
        self._accepted: Accepted = {}
        self._inputs: tuple[object, ...] = ()
        self._refusals: Refusals = {}
        self._memories = Memories()
        self._endpoints = Memo()
        self._steady = SteadyObjects()

    def compile(self, snapshot: Snapshot, refusals: Refusals) -> MeshModel:
        """`refusals` are those that still stand."""
        snapshot = self._steady.of(snapshot)
        inputs = tuple(snapshot.all(kind) for kind in ROUTING_KINDS)
        is_same = refusals == self._refusals and len(inputs) == len(self._inputs)
        if self.routing is None or not is_same or any(map(_differ, inputs, self._inputs)):
            self.routing = self._routed(snapshot, refusals).model
            self._inputs, self._refusals = inputs, refusals
        return with_endpoints(self.routing, snapshot, self._endpoints, self.foreign)

    def _routed(self, snapshot: Snapshot, refusals: Refusals) -> Compiled:
        compiled = compile_with_fallback(
            snapshot, self._scope, self._accepted, refusals, cluster=self._cluster, memories=self._memories
        )
        self._accepted = compiled.accepted
        return compiled


def _differ(one: object, other: object) -> bool:
    return one is not other
