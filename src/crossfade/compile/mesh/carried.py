"""HTTP/1 carried over HTTP/2 between two sidecars, where an annotation asks for it and every endpoint takes it.

A sidecar takes both at listeners of http, with or without the annotation, so callers change over one by one. One
endpoint without a sidecar, in the middle of a rollout too, and all are spoken to in HTTP/1.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from msgspec import structs

from crossfade.api.appmesh import Mesh, VirtualNode
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.memo import Memo
from crossfade.compile.mesh.choices import HEADER_CASE, HTTP2_BETWEEN_PROXIES
from crossfade.compile.mesh.discovery import is_seen
from crossfade.compile.mesh.links import Links
from crossfade.compile.model import Cluster, HeaderCase, Protocol, ProxyModel
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import typed_ref

CarriedByMesh: TypeAlias = Mapping[str, frozenset[str]]
"""Clusters by the mesh's awsName."""


def asks_for_http2(snapshot: Snapshot) -> bool:
    """Somebody does, so pods are of interest."""
    owners: Iterable[Mesh | VirtualNode] = (*snapshot.all(Mesh), *snapshot.all(VirtualNode))
    return any(HTTP2_BETWEEN_PROXIES.of(owner) == "enabled" for owner in owners)


def check_carriage(node: VirtualNode, links: Links, diagnostics: Diagnostics) -> None:
    """What keeps the node's own wish from being carried out at all."""
    HTTP2_BETWEEN_PROXIES.check(node, diagnostics)
    if HTTP2_BETWEEN_PROXIES.of(node) != "enabled":
        return
    problem = _hindrance(node, links)
    if problem is not None:
        diagnostics.warning(
            typed_ref(node),
            "carriage.no-effect",
            problem[0],
            effect="its callers speak HTTP/1 with it",
            hint=problem[1],
            field=f"metadata.annotations[{HTTP2_BETWEEN_PROXIES.key}]",
        )


def _hindrance(node: VirtualNode, links: Links) -> tuple[str, str] | None:
    if all(listener.port_mapping.protocol != "http" for listener in node.spec.listeners):
        return "only requests to listeners of http are carried over HTTP/2", "remove the annotation"
    if HEADER_CASE.of_either(node, links.mesh) == "preserve":
        return "HTTP/2 has no letter case to preserve", f"write proper or lower in {HEADER_CASE.key}"
    if not links.cluster.shows_pods:
        hint = "apply what `crossfade install mesh` prints and restart the controller"
        return "the controller may not read pods, so it does not know which have a sidecar", hint
    if not is_seen(node, links):
        hint = "name a Service of the cluster or a service of Cloud Map in serviceDiscovery"
        return "the node's endpoints come from DNS, so it is not known which have a sidecar", hint
    return None


def with_carriage(
    proxies: Mapping[str, ProxyModel], carried: CarriedByMesh, memo: Memo, diagnostics: Diagnostics
) -> Mapping[str, ProxyModel]:
    """`proxies` are by path (`mesh/…`)."""
    if not any(carried.values()):
        return proxies
    pairs = frozenset((mesh, cluster) for mesh, clusters in carried.items() for cluster in clusters)

    def make(_: Diagnostics) -> Mapping[str, ProxyModel]:
        return {path: _with_clusters(proxy, pairs, path.split("/", 2)[1]) for path, proxy in proxies.items()}

    return memo.of("carried", (proxies, pairs), make, diagnostics)


def _with_clusters(proxy: ProxyModel, pairs: frozenset[tuple[str, str]], mesh: str) -> ProxyModel:
    carried = {one.name for one in proxy.clusters if (mesh, one.name) in pairs and _loses_nothing(one)}
    if not carried:
        return proxy
    clusters = tuple(_carried(one) if one.name in carried else one for one in proxy.clusters)
    return structs.replace(proxy, clusters=clusters)


def _loses_nothing(cluster: Cluster) -> bool:
    """HTTP/2 has no letter case to preserve for the caller."""
    return cluster.header_case is not HeaderCase.PRESERVE


def _carried(cluster: Cluster) -> Cluster:
    return structs.replace(cluster, protocol=Protocol.HTTP2, is_carried=True)
