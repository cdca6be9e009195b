"""Client policies: how a proxy speaks to the nodes behind its backends (appmesh.md §3.8)."""

from msgspec import structs

from crossfade.api.appmesh import VirtualGateway, VirtualNode
from crossfade.api.appmesh.values import TlsClientPolicy
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.identities import MESH_TLS
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.matches import Unusable
from crossfade.compile.mesh.model import PortPlan
from crossfade.compile.mesh.tls import own_certificate, peer_check, peer_name, server_name
from crossfade.compile.model import Cluster, Issued, MeshTls
from crossfade_kube.registry import typed_ref


class ReachedNodes:
    """Of one proxy, whose object is `owner`: what it reaches a node by is one cluster, which has one way of TLS."""

    def __init__(self, owner: VirtualNode | VirtualGateway, links: Links, diagnostics: Diagnostics) -> None:
        self._owner = owner
        self._links = links
        self._diagnostics = diagnostics
        self._chosen: dict[str, object] = {}

    def under(self, policy: TlsClientPolicy | None, plan: PortPlan, field: str) -> PortPlan:
        """Raises Unusable where the policy cannot be kept: nothing may then be sent. `field` mentions the service."""
        clusters = tuple(self._under(policy, plan.port, cluster, field) for cluster in plan.clusters)
        for cluster in clusters:
            if self._chosen.setdefault(cluster.name, cluster.mesh_tls) != cluster.mesh_tls:
                raise Unusable(
                    "",
                    f"{cluster.origin.ref} is reached by another backend too, under another client policy: "
                    "give both the same one",
                )
        return plan if clusters == plan.clusters else structs.replace(plan, clusters=clusters)

    def _under(self, policy: TlsClientPolicy | None, port: int, cluster: Cluster, field: str) -> Cluster:
        # Asked for each cluster of each caller, when few have a policy.
        if policy is None or not policy.covers(port):
            return cluster
        node = self._links.node_behind(cluster)
        offered = cluster.mesh_tls
        if node is None:
            return cluster
        namespace, secrets = self._owner.metadata.namespace, self._links.secrets
        certificate = offered.certificate if offered is not None else None
        if policy.certificate is not None:
            certificate = own_certificate(policy.certificate, namespace, secrets)
        if not policy.is_enforced:
            tls = structs.replace(offered, certificate=certificate) if offered is not None else None
            return structs.replace(cluster, mesh_tls=tls)
        name = peer_name(node)
        peers = peer_check(policy.validation, namespace, secrets)
        if not peers.names:
            peers = structs.replace(peers, names=(name,) if name else ())
        if offered is None:
            self._tell_plain(node, port, field)
        elif offered.certificate is Issued.IDENTITY:
            self._tell_unknown(node, port, field)
        return structs.replace(cluster, mesh_tls=MeshTls(certificate, peers, server_name(name)))

    def _tell_plain(self, node: VirtualNode, port: int, field: str) -> None:
        self._diagnostics.warning(
            typed_ref(self._owner),
            "backend.server-without-tls",
            f"the client policy demands TLS on port {port}, which virtualNode {node.metadata.key} does not offer",
            effect="requests to it are answered with 503",
            hint="give the node's listener a tls of mode STRICT or PERMISSIVE, or set enforce to false in the policy",
            field=field,
        )

    def _tell_unknown(self, node: VirtualNode, port: int, field: str) -> None:
        self._diagnostics.warning(
            typed_ref(self._owner),
            "backend.policy-before-identity",
            f"the client policy has a trust of its own, and on port {port} virtualNode {node.metadata.key} shows the "
            f"identity that {MESH_TLS} gives it",
            effect="requests to it are answered with 503",
            hint=f"remove the policy, for which there is no need, or annotate the node with {MESH_TLS}: disabled",
            field=field,
        )
