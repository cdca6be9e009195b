"""Second pass: resolves references between the objects of a mesh, by name or by ARN (appmesh.md §2.5)."""

from typing import Any, Final, TypeVar

from crossfade.api.appmesh import VirtualNode, VirtualRouter, VirtualService
from crossfade.api.appmesh.values import ObjectReference, VirtualNodeTarget, VirtualServiceTarget
from crossfade.api.appmesh.virtual_service import VirtualRouterTarget
from crossfade.compile.mesh.acm import AcmSecrets
from crossfade.compile.mesh.admit import Members
from crossfade.compile.mesh.identities import MeshIdentities
from crossfade.compile.mesh.membership import Refusal
from crossfade.compile.mesh.service_names import ClusterView, service_key, uses_slices
from crossfade.compile.model import Cluster
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Service
from crossfade_kube.meta import NamespacedName

K = TypeVar("K", VirtualNode, VirtualService, VirtualRouter)

_WORDS: Final[dict[type[Any], str]] = {
    VirtualNode: "virtualNode",
    VirtualService: "virtualService",
    VirtualRouter: "virtualRouter",
}
NODE_CLUSTER_PATH: Final = "spec.serviceDiscovery"
"""Where a node says what becomes its clusters."""
# arn:aws:appmesh:<region>:<account>:mesh/<mesh>/<type>/<name>
_ARN_PARTS: Final = 6


class Links:
    """Looks references up among the members of one mesh; what it cannot find it explains."""

    def __init__(self, members: Members, snapshot: Snapshot, cluster: ClusterView) -> None:
        self._members = members
        self._snapshot = snapshot
        self.cluster = cluster
        self.clusters: dict[tuple[NamespacedName, int, str], Cluster | Refusal] = {}
        """Of nodes' listeners, as they are first asked for: routes mention the same ones again and again."""
        self._services: dict[str, Service | None] = {}
        self.secrets = AcmSecrets(snapshot, are_shown=cluster.shows_secrets)
        self.identities = MeshIdentities.of_mesh(members.mesh)
        self.uses_slices = uses_slices(members.mesh, cluster)
        discovery = members.mesh.spec.mesh_service_discovery
        self.mesh = members.mesh
        self.ip_preference = discovery.ip_preference if discovery else None

    def kubernetes_service(self, hostname: str) -> Service | None:
        """The Service of the cluster that a host name stands for."""
        if hostname not in self._services:
            key = service_key(hostname, self.cluster.domain)
            self._services[hostname] = None if key is None else self._snapshot.get(Service, *key)
        return self._services[hostname]

    def node_behind(self, cluster: Cluster) -> VirtualNode | None:
        """Whose listener it is; None where nobody is reached."""
        ref = cluster.origin.ref
        if ref.kind != VirtualNode.RESOURCE.kind or cluster.origin.path != NODE_CLUSTER_PATH:
            return None
        return self._members.get(VirtualNode, NamespacedName(ref.namespace, ref.name))

    def node(self, target: VirtualNodeTarget, namespace: str) -> VirtualNode | Refusal:
        return self._find(VirtualNode, target.virtual_node_ref, target.virtual_node_arn, namespace)

    def service(self, target: VirtualServiceTarget, namespace: str) -> VirtualService | Refusal:
        return self._find(VirtualService, target.virtual_service_ref, target.virtual_service_arn, namespace)

    def service_by_reference(self, reference: ObjectReference, namespace: str) -> VirtualService | Refusal:
        return self._by_key(VirtualService, reference.within(namespace))

    def router(self, target: VirtualRouterTarget, namespace: str) -> VirtualRouter | Refusal:
        return self._find(VirtualRouter, target.virtual_router_ref, target.virtual_router_arn, namespace)

    def _find(self, kind: type[K], ref: ObjectReference | None, arn: str | None, namespace: str) -> K | Refusal:
        if ref is not None:
            return self._by_key(kind, ref.within(namespace))
        if arn is not None:
            return self._by_arn(kind, arn)
        return Refusal(f"neither {_WORDS[kind]}Ref nor {_WORDS[kind]}ARN is given")

    def _by_key(self, kind: type[K], key: NamespacedName) -> K | Refusal:
        found = self._members.get(kind, key)
        if found is not None:
            return found
        word = _WORDS[kind]
        if problem := self._members.refusal(kind, key):
            return Refusal(f"{word} {key} has no effect: {problem}")
        if self._snapshot.get(kind, key.namespace, key.name) is not None:
            return Refusal(f"{word} {key} didn't belong to mesh /{self._members.mesh.metadata.name}")
        return Refusal(f"failed to resolve {word}Ref: unable to fetch {word}: {key}")

    def _by_arn(self, kind: type[K], arn: str) -> K | Refusal:
        word = _WORDS[kind]
        parts = arn.split(":", _ARN_PARTS - 1)
        if len(parts) != _ARN_PARTS or parts[0] != "arn":
            return Refusal(f"invalid arn: {arn}")
        path = parts[-1].split("/")
        if len(path) != 4 or path[0] != "mesh":
            return Refusal(f"invalid resource in appMesh ARN: {parts[-1]}")
        if path[2] != word:
            return Refusal(f"expects {word} ARN, got {path[2]}")
        found = self._members.named(kind, path[3])
        if path[1] != self._members.mesh.aws_name or found is None:
            return Refusal(f"failed to resolve {word}ARN: there is no {word} {path[3]} in mesh {path[1]} here")
        return found
