"""Identities of a mesh's sidecars: mutual TLS between them that no manifest asks for by itself.

A Mesh's annotation gives every virtual node and virtual gateway a name (a SPIFFE ID) that its pods prove to each other.
Who wants it otherwise says so: `tls` of a listener, a client policy, or the same annotation of a virtual node.
"""

import re
from enum import StrEnum
from itertools import chain
from typing import Final
from urllib.parse import quote

from msgspec import Struct, structs

from crossfade.api.appmesh import Mesh, VirtualGateway, VirtualNode
from crossfade.api.appmesh.virtual_node import Listener
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.acm import AcmSecrets
from crossfade.compile.mesh.tls import offered_tls
from crossfade.compile.model import FilterChain, Identity, Issued, Issuer, MeshTls, PeerCheck, ProxyModel
from crossfade_kube.registry import typed_ref

MESH_TLS: Final = "crossfade.dev/mesh-tls"
MESH_TLS_ISSUER: Final = "crossfade.dev/mesh-tls-issuer"
_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
# As kubectl spells kinds of other groups.
_ISSUER: Final = re.compile(
    rf"(?P<kind>[A-Za-z][A-Za-z0-9]{{0,62}})(\.(?P<group>{_SUBDOMAIN}))?/(?P<name>{_SUBDOMAIN})"
)
_NOBODY: Final = Issuer("", "", "")
# Tells TLS between sidecars from TLS that an application behind a permissive listener speaks itself.
_SERVER_NAME: Final = "mesh-identity.crossfade.dev"


class IdentityMode(StrEnum):
    """What listeners without `tls` of their own take."""

    DISABLED = "disabled"
    PERMISSIVE = "permissive"
    STRICT = "strict"


class MeshIdentities(Struct, frozen=True):
    """Of one mesh. `trust_domain` is the Mesh's name: others of the cluster have theirs."""

    trust_domain: str
    default: IdentityMode
    issuer: Issuer | None = None

    @classmethod
    def of_mesh(cls, mesh: Mesh) -> "MeshIdentities":
        mode = _mode(mesh) or IdentityMode.DISABLED
        return cls(quote(mesh.metadata.name, safe=""), mode, _issuer(mesh))

    def mode(self, node: VirtualNode) -> IdentityMode:
        """A node that selects no pods has no sidecar that could prove anything."""
        if node.spec.pod_selector is None:
            return IdentityMode.DISABLED
        return _mode(node) or self.default

    def spiffe_id(self, owner: VirtualNode | VirtualGateway) -> str:
        """By virtual node, as that is what callers choose and what the control plane proves of a pod."""
        metadata, kind = owner.metadata, "virtual-node" if isinstance(owner, VirtualNode) else "virtual-gateway"
        place = (quote(part, safe="") for part in (metadata.namespace, kind, metadata.name))
        return f"spiffe://{self.trust_domain}/ns/{'/'.join(place)}"

    def guarded(self, plain: FilterChain, node: VirtualNode) -> tuple[FilterChain, ...]:
        """`plain` is the chain of a listener without `tls`: one for TLS, one for plain text, or both."""
        mode = self.mode(node)
        if mode is IdentityMode.DISABLED:
            return (plain,)
        tls = MeshTls(Issued.IDENTITY, PeerCheck(Issued.AUTHORITIES, trust_domain=self.trust_domain))
        if mode is IdentityMode.STRICT:
            return (structs.replace(plain, mesh_tls=tls),)
        return (structs.replace(plain, name=f"{plain.name}_tls", mesh_tls=tls, server_names=(_SERVER_NAME,)), plain)

    def offered(self, node: VirtualNode, listener: Listener, secrets: AcmSecrets) -> MeshTls | None:
        """How a client without policy speaks to the listener."""
        if listener.tls is not None:
            return offered_tls(node, listener, secrets)
        if self.mode(node) is IdentityMode.DISABLED:
            return None
        return MeshTls(Issued.IDENTITY, PeerCheck(Issued.AUTHORITIES, (self.spiffe_id(node),)), _SERVER_NAME)

    def identified(self, proxy: ProxyModel, owner: VirtualNode | VirtualGateway) -> ProxyModel:
        """With an identity, where something of the proxy needs one."""
        of_clusters = (cluster.mesh_tls for cluster in proxy.clusters)
        of_chains = (chain.mesh_tls for listener in proxy.listeners for chain in listener.chains)
        if not any(map(_needs_identity, chain(of_clusters, of_chains))):
            return proxy
        return structs.replace(proxy, identity=Identity(self.spiffe_id(owner), self.issuer))


def check_mode(owner: Mesh | VirtualNode, diagnostics: Diagnostics) -> None:
    value, field = owner.metadata.annotations.get(MESH_TLS), f"metadata.annotations[{MESH_TLS}]"
    if value is None:
        return
    if value not in list(IdentityMode):
        diagnostics.warning(
            typed_ref(owner),
            "annotation.value",
            f"{value!r} is none of {', '.join(IdentityMode)}",
            effect=f"it counts as {IdentityMode.STRICT}",
            hint="write one of these, or remove the annotation",
            field=field,
        )
    if isinstance(owner, VirtualNode) and owner.spec.pod_selector is None and value != IdentityMode.DISABLED:
        diagnostics.warning(
            typed_ref(owner),
            "mesh-tls.no-pods",
            "without a podSelector the node has no sidecar that could show an identity",
            effect="callers speak to it as if the annotation were not there",
            hint="give the node a podSelector, or remove the annotation",
            field=field,
        )


def check_issuer(mesh: Mesh, diagnostics: Diagnostics) -> None:
    if _issuer(mesh) is _NOBODY:
        diagnostics.warning(
            typed_ref(mesh),
            "mesh-tls.issuer",
            f"{mesh.metadata.annotations[MESH_TLS_ISSUER]!r} is not a kind and a name like ClusterIssuer/mesh",
            effect="no identities are made: proxies that need one keep the configuration that they have",
            hint="write the kind of an issuer of cert-manager and its name, with a slash between them",
            field=f"metadata.annotations[{MESH_TLS_ISSUER}]",
        )


def _issuer(mesh: Mesh) -> Issuer | None:
    """Nobody where it cannot be read: another one's signature is not what was asked for."""
    text = mesh.metadata.annotations.get(MESH_TLS_ISSUER)
    if text is None:
        return None
    found = _ISSUER.fullmatch(text)
    if found is None:
        return _NOBODY
    return Issuer(found["kind"], found["name"], found["group"] or "cert-manager.io")


def _mode(owner: Mesh | VirtualNode) -> IdentityMode | None:
    """What cannot be read counts as the closed one."""
    value = owner.metadata.annotations.get(MESH_TLS)
    if value is None:
        return None
    return IdentityMode(value) if value in list(IdentityMode) else IdentityMode.STRICT


def _needs_identity(tls: MeshTls | None) -> bool:
    return tls is not None and (tls.certificate is Issued.IDENTITY or _believes_issued(tls.peers))


def _believes_issued(peers: PeerCheck | None) -> bool:
    return peers is not None and peers.authorities is Issued.AUTHORITIES
