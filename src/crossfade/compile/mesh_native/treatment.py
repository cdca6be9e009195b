"""What a sidecar would make of the connections to one of Kong's Services, by the ports that these go to."""

import ipaddress
from typing import Final, NamedTuple, TypeAlias

from crossfade.api.bounds import is_ip_address
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.state import KongService
from crossfade.compile.mesh_native.egress import Egress, HttpPort, TcpPort
from crossfade.compile.model import Algorithm, Discovery, Protocol
from crossfade.compile.routing.origin import Origin
from crossfade_kube.meta import ObjectRef

_DATAGRAMS: Final = "udp"
_HIDDEN: Final = "requests get 502 and connections are closed, as behind a sidecar"


class Untouched(NamedTuple):
    """The gateway connects by itself."""


class Closed(NamedTuple):
    """The sidecar ends the connection."""

    origin: Origin


Treatment: TypeAlias = Untouched | Closed | HttpPort | TcpPort


def treatment(service: KongService, egress: Egress, node: ObjectRef, diagnostics: Diagnostics) -> Treatment:
    """A Service without endpoints is not turned to: Kong answers by itself. Datagrams, and what stays in the pod, pass
    every sidecar by (appmesh.md §4.6).

    Its endpoints may have several ports; a mesh that treats these differently gets none of them.
    """
    cluster = service.cluster
    ports = sorted({one.port for one in cluster.endpoints})
    if not ports or service.protocol == _DATAGRAMS or all(_is_own(one.address) for one in cluster.endpoints):
        return Untouched()
    found = {_identity(one): one for one in (_at(port, service, egress) for port in ports)}
    if len(found) > 1:
        shown = ", ".join(map(str, ports))
        _tell_closed(service, f"its endpoints have the ports {shown}, which {node} treats differently", diagnostics)
        return Closed(cluster.origin)
    one = next(iter(found.values()))
    if isinstance(one, Closed):
        shown = ", ".join(map(str, ports))
        problem = f"no backend of {node} has port {shown}, and its mesh lets nothing else out"
        _tell_closed(service, problem, diagnostics)
    if isinstance(one, HttpPort | TcpPort):
        if cluster.tls is not None:
            problem = f"{node} decides on port {ports[0]} what is spoken to the upstream, so that TLS cannot be Kong's"
            _tell_closed(service, problem, diagnostics)
            return Closed(cluster.origin)
        if isinstance(one, HttpPort) and cluster.protocol is Protocol.TCP:
            problem = f"{node} looks for requests on port {ports[0]}, which a stream has none of"
            _tell_closed(service, problem, diagnostics)
            return Closed(cluster.origin)
        _tell_unused(service, node, diagnostics)
    return one


def _is_own(address: str) -> bool:
    """Of the pod's loopback."""
    return address == "localhost" or (is_ip_address(address) and ipaddress.ip_address(address).is_loopback)


def _identity(one: Treatment) -> object:
    return one if isinstance(one, Untouched | Closed) else one.name


def _at(port: int, service: KongService, egress: Egress) -> Treatment:
    name = service.server_name or _name_of(service)
    if service.cluster.tls is not None and any(_fits(name, one) for one in egress.named.get(port, ())):
        return Untouched()
    known = egress.ports.get(port)
    if known is not None:
        return known
    return Untouched() if egress.passes_on else Closed(service.cluster.origin)


def _name_of(service: KongService) -> str:
    """Sent as Host, which TLS asks for, where nothing else is said."""
    cluster = service.cluster
    return cluster.endpoints[0].address if cluster.discovery is Discovery.STRICT_DNS else ""


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _tell_closed(service: KongService, problem: str, diagnostics: Diagnostics) -> None:
    diagnostics.warning(
        service.cluster.origin.ref,
        "service.outside-mesh",
        problem,
        effect=_HIDDEN,
        hint="add a backend to the VirtualNode, or egressFilter ALLOW_ALL to the Mesh",
    )


def _tell_unused(service: KongService, node: ObjectRef, diagnostics: Diagnostics) -> None:
    """Where a sidecar stood behind the gateway it would have chosen the endpoint as well."""
    cluster = service.cluster
    said = [
        word
        for word, is_said in (
            ("health checks", cluster.health_check is not None or cluster.outlier_detection is not None),
            ("its algorithm", cluster.balancing.algorithm is not Algorithm.ROUND_ROBIN),
            ("sticky sessions", service.sticky is not None),
        )
        if is_said
    ]
    if said:
        diagnostics.warning(
            cluster.origin.ref,
            "service.upstream-unused",
            f"{node} chooses the endpoints of this Service, so that {' and '.join(said)} of its upstream are not used",
            effect="health checks and outlier detection of the virtual nodes behind it apply",
            hint="say it in the listeners of the VirtualNodes",
        )
