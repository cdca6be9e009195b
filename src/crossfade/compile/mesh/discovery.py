"""How clients learn a virtual node's endpoints: from EndpointSlices, Cloud Map or DNS (appmesh.md §3.9)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from crossfade.api.appmesh import VirtualNode
from crossfade.api.bounds import PORT, Misfit, host_name, is_ip_address
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import names
from crossfade.compile.mesh.cloud_map import CloudMapName, CloudMapSource
from crossfade.compile.mesh.endpoints import EndpointSource, Source, is_headless, tcp_port
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.membership import Refusal
from crossfade.compile.mesh.service_names import is_of_cluster
from crossfade.compile.model import Discovery, Endpoint
from crossfade_kube.core import Service
from crossfade_kube.registry import typed_ref

_EXTERNAL_NAME: Final = "ExternalName"
_FAMILIES: Final = {"IPv4_ONLY": ("IPv4",), "IPv6_ONLY": ("IPv6",)}
_BOTH_FAMILIES: Final = ("IPv6", "IPv4")


class FoundDiscovery(NamedTuple):
    """`endpoints` as in a `Cluster`."""

    kind: Discovery
    endpoints: tuple[Endpoint, ...] = ()


def cluster_discovery(node: VirtualNode, port: int, links: Links) -> FoundDiscovery | Refusal:
    """`port` is the listener's."""
    discovery = node.spec.service_discovery
    if discovery is None or (discovery.dns is None and discovery.aws_cloud_map is None):
        return Refusal(f"virtualNode {node.metadata.key} has no service discovery")
    if discovery.dns is None:
        return FoundDiscovery(Discovery.EDS)
    hostname = discovery.dns.hostname
    if is_ip_address(hostname):
        return FoundDiscovery(Discovery.STATIC, (Endpoint(hostname, port),))
    if isinstance(wrong := host_name(hostname), Misfit):
        return Refusal(f"the dns hostname of virtualNode {node.metadata.key} cannot be used: {wrong}")
    if service_behind(node, links) is not None or _waits_for_service(hostname, links):
        return FoundDiscovery(Discovery.EDS)
    kind = Discovery.STRICT_DNS if discovery.dns.response_type == "ENDPOINTS" else Discovery.LOGICAL_DNS
    return FoundDiscovery(kind, (Endpoint(_full_name(hostname, links), port),))


def _waits_for_service(hostname: str, links: Links) -> bool:
    """A Service is often seen a moment after its node; an Envoy that starts in that moment must not be told to resolve
    the name and then not to: it would wait for the cluster that it was told of first, for ever.
    """
    is_unseen = links.uses_slices and links.kubernetes_service(hostname) is None
    return is_unseen and is_of_cluster(hostname, links.cluster.domain)


def service_behind(node: VirtualNode, links: Links) -> Service | None:
    """The Service whose EndpointSlices say where the node is; None where DNS says it."""
    discovery = node.spec.service_discovery
    if discovery is None or discovery.dns is None or not links.uses_slices:
        return None
    service = links.kubernetes_service(discovery.dns.hostname)
    return None if service is None or service.spec.type == _EXTERNAL_NAME else service


def is_seen(node: VirtualNode, links: Links) -> bool:
    """Whether it is known here which pods its endpoints are; also where nothing can be found at all."""
    found = cluster_discovery(node, 1, links)
    return isinstance(found, Refusal) or found.kind is Discovery.EDS


def endpoint_sources(
    node: VirtualNode, mesh: str, links: Links, *, wants_http2: bool = False
) -> Iterator[tuple[str, Source]]:
    """By the name of the cluster of each of its listeners. Only what is http can be carried over HTTP/2."""
    for listener in node.spec.listeners:
        mapping = listener.port_mapping
        if isinstance(PORT.check(mapping.port), Misfit):
            continue
        is_carried = wants_http2 and mapping.protocol == "http"
        sidecar = names.node_path(mesh, node.aws_name) if is_carried else ""
        source = _source(node, mesh, mapping.port, links, sidecar)
        if source is not None:
            yield names.remote_cluster(mesh, node.aws_name, mapping.protocol, mapping.port), source


def _source(node: VirtualNode, mesh: str, port: int, links: Links, sidecar: str) -> Source | None:
    families = _FAMILIES.get(links.ip_preference or "", _BOTH_FAMILIES)
    discovery = node.spec.service_discovery
    cloud_map = discovery.aws_cloud_map if discovery is not None and discovery.dns is None else None
    if cloud_map is not None:
        attributes = tuple((attribute.key, attribute.value) for attribute in cloud_map.attributes)
        name = CloudMapName(cloud_map.namespace_name, cloud_map.service_name)
        return CloudMapSource(mesh, name, attributes, port, families, sidecar)
    service = service_behind(node, links)
    return None if service is None else EndpointSource(service.metadata.key, port, families, sidecar)


def check_service_ports(node: VirtualNode, links: Links, diagnostics: Diagnostics) -> None:
    """A listener on a port that the Service lacks never gets a request."""
    service = service_behind(node, links)
    if service is None or is_headless(service):
        return
    there = ", ".join(sorted({str(port.port) for port in service.spec.ports if port.protocol == "TCP"})) or "none"
    for index, listener in enumerate(node.spec.listeners):
        port = listener.port_mapping.port
        if tcp_port(service, port) is None:
            diagnostics.warning(
                typed_ref(node),
                "discovery.service-port",
                f"Service {service.metadata.key} has no TCP port {port}; it has {there}",
                effect=f"requests to port {port} of this node are answered with 503",
                hint="give the Service a port of the listener's number, or make it headless (clusterIP: None)",
                field=f"spec.listeners[{index}].portMapping.port",
            )


def _check_is_found(node: VirtualNode, diagnostics: Diagnostics) -> None:
    if node.spec.listeners:
        diagnostics.error(
            typed_ref(node),
            "discovery.missing",
            "the node has listeners, but no serviceDiscovery",
            effect="requests to this node are answered with 503",
            hint="give it serviceDiscovery.dns.hostname, the name of its Service",
            field="spec.serviceDiscovery",
        )


def check_discovery(node: VirtualNode, links: Links, diagnostics: Diagnostics) -> None:
    """Whether others can find the node, and what it says of Cloud Map that cannot be carried out."""
    discovery = node.spec.service_discovery
    if discovery is None or (discovery.dns is None and discovery.aws_cloud_map is None):
        _check_is_found(node, diagnostics)
        return
    if discovery.aws_cloud_map is None:
        return
    field = "spec.serviceDiscovery.awsCloudMap"
    if discovery.dns is not None:
        diagnostics.error(
            typed_ref(node),
            "discovery.two-ways",
            "serviceDiscovery has both dns and awsCloudMap",
            effect="dns is used, and no pod is registered",
            hint="remove one of the two",
            field=field,
        )
    elif not links.cluster.shows_pods:
        diagnostics.error(
            typed_ref(node),
            "discovery.pods-unreadable",
            "the controller may not read pods, which it registers for Cloud Map",
            effect="requests to this node are answered with 503",
            hint="apply what `crossfade install mesh` prints and restart the controller",
            field=field,
        )


def _full_name(hostname: str, links: Links) -> str:
    """The final dot keeps the pod's DNS search path out of it."""
    service = links.kubernetes_service(hostname)
    if service is not None:
        hostname = f"{service.metadata.name}.{service.metadata.namespace}.svc.{links.cluster.domain}"
    return hostname.rstrip(".") + "."
