"""A Service's port → the cluster behind it: endpoint addresses, the Service's own name, or an external name."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct

from crossfade.api.bounds import PORT, Misfit, host_name, is_ip_address
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.model import Discovery, Endpoint
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.endpoint_slice import Endpoint as SliceEndpoint
from crossfade_kube.core.endpoint_slice import EndpointSlice
from crossfade_kube.core.ingress import ServiceBackendPort
from crossfade_kube.core.service import Service, ServicePort
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref

_WEIGHT: Final = 100
_TLS_PROTOCOLS: Final = frozenset({"https", "grpcs", "wss", "tls"})

SlicesByService = Mapping[NamespacedName, tuple[EndpointSlice, ...]]


class Targets(Struct, frozen=True, gc=False):
    """`problem` says why there are none; `lacks_port` that this is for want of the port that was asked for."""

    discovery: Discovery = Discovery.EDS
    endpoints: tuple[Endpoint, ...] = ()
    problem: str | None = None
    lacks_port: bool = False


class Upstream(Struct, frozen=True, gc=False):
    """How a Service wants to be reached; `uses_service_name` means by its DNS name instead of its endpoints."""

    protocol: str
    host_header: str | None
    uses_service_name: bool
    layer: str = "TCP"
    """Of its ports those of this protocol count."""


def slices_by_service(snapshot: Snapshot) -> SlicesByService:
    found: dict[NamespacedName, list[EndpointSlice]] = {}
    for item in snapshot.all(EndpointSlice):
        if item.service_name:
            found.setdefault(NamespacedName(item.metadata.namespace, item.service_name), []).append(item)
    return {key: tuple(items) for key, items in found.items()}


def targets_of(
    service: Service,
    port: ServiceBackendPort,
    slices: Iterable[EndpointSlice],
    upstream: Upstream,
    diagnostics: Diagnostics,
) -> Targets:
    """Kong's order of cases: service-upstream, ExternalName, ready endpoints (kong.md §3.5)."""
    service_port = _service_port(service, port, upstream.layer)
    if service.spec.type == "ExternalName" and not upstream.uses_service_name:
        if not port.number:
            return Targets(problem="rules with an ExternalName service must specify numeric ports")
        return _external(service.spec.external_name, port.number, upstream)
    if service_port is None:
        return Targets(problem=_missing_port(service, port), lacks_port=True)
    if upstream.uses_service_name:
        return _named(f"{service.metadata.name}.{service.metadata.namespace}.svc", service_port.port, upstream)
    return Targets(endpoints=_usable_endpoints(slices, service_port, upstream, diagnostics))


def _missing_port(service: Service, wanted: ServiceBackendPort) -> str:
    asked = wanted.name or wanted.number or "none"
    there = ", ".join(map(_shown_port, service.spec.ports)) or "none"
    problem = "can't find port for backend kubernetes service: no suitable port found"
    return f"{problem}: port {asked} was asked for, Service {service.metadata.key} has {there}"


def _shown_port(port: ServicePort) -> str:
    number = str(port.port) if port.protocol == "TCP" else f"{port.port}/{port.protocol}"
    return f"{number} ({port.name})" if port.name else number


def why_empty(service: Service, port: ServiceBackendPort, slices: Iterable[EndpointSlice], layer: str) -> str:
    """For a port that is there, and has no endpoint that is ready."""
    service_port = _service_port(service, port, layer)
    ready = [item for item in slices if any(end.is_ready for end in item.endpoints)]
    if service_port is not None and ready:
        named = {port.name for item in ready for port in item.ports}
        if service_port.name in named:
            return "none of its endpoints can be used"
        wanted = f"port {service_port.name}" if service_port.name else "port without a name"
        there = ", ".join(name or "one without a name" for name in sorted(named)) or "none"
        return f"its ready endpoints have no {wanted}; they have {there}"
    count = sum(len(item.endpoints) for item in slices)
    return f"none of its {count} endpoints is ready" if count else "it has no endpoints"


def host_with_port(host: str, port: int, protocol: str) -> str:
    """Kong adds the port unless it is the scheme's own (R-10)."""
    default = 443 if protocol in _TLS_PROTOCOLS else 80
    bare_ipv6 = host.count(":") > 1 and not host.startswith("[")
    if ":" in host and not bare_ipv6:
        return host
    name = f"[{host}]" if bare_ipv6 else host
    return name if port == default else f"{name}:{port}"


def _service_port(service: Service, wanted: ServiceBackendPort, layer: str) -> ServicePort | None:
    def fits(port: ServicePort) -> bool:
        if wanted.number:
            return port.port == wanted.number
        return wanted.name in (port.name, port.target_port)

    return next((port for port in service.spec.ports if port.protocol == layer and fits(port)), None)


def _external(name: str, port: int, upstream: Upstream) -> Targets:
    is_name = is_ip_address(name) or not isinstance(host_name(name), Misfit)
    if not is_name or isinstance(PORT.check(port), Misfit):
        return Targets(problem=f"externalName {name!r} with port {port} is no name and port to connect to")
    return _named(name, port, upstream)


def _named(name: str, port: int, upstream: Upstream) -> Targets:
    host = host_with_port(upstream.host_header or name, port, upstream.protocol)
    return Targets(Discovery.STRICT_DNS, (Endpoint(name, port, host, _WEIGHT),))


def _usable_endpoints(
    slices: Iterable[EndpointSlice], service_port: ServicePort, upstream: Upstream, diagnostics: Diagnostics
) -> tuple[Endpoint, ...]:
    """Ready ones; where there is none, those that still serve while they end, as kube-proxy does it."""
    slices = tuple(slices)
    ready = _endpoints(slices, service_port, upstream, diagnostics, lambda end: end.is_ready)
    if ready:
        return ready
    return _endpoints(slices, service_port, upstream, diagnostics, lambda end: end.is_serving and end.is_terminating)


def _endpoints(
    slices: Iterable[EndpointSlice],
    service_port: ServicePort,
    upstream: Upstream,
    diagnostics: Diagnostics,
    counts: Callable[[SliceEndpoint], bool],
) -> tuple[Endpoint, ...]:
    weights: dict[tuple[str, int], int] = {}
    for item in slices:
        if item.address_type not in ("IPv4", "IPv6"):
            continue
        ports = [port.port for port in item.ports if port.name == service_port.name and port.port is not None]
        addresses = [address for end in item.endpoints if counts(end) for address in end.addresses]
        for target in ((address, port) for port in ports for address in addresses):
            if not is_ip_address(target[0]) or isinstance(PORT.check(target[1]), Misfit):
                _refuse_endpoint(item, target, diagnostics)
                continue
            weights[target] = weights.get(target, 0) + _WEIGHT
    return tuple(
        Endpoint(address, port, host_with_port(upstream.host_header or address, port, upstream.protocol), weight)
        for (address, port), weight in sorted(weights.items())
    )


def _refuse_endpoint(item: EndpointSlice, target: tuple[str, int], diagnostics: Diagnostics) -> None:
    diagnostics.error(
        typed_ref(item),
        "endpointslice.invalid-endpoint",
        f"{target[0]!r} with port {target[1]} is no address and port to connect to",
        effect="no request goes there",
        hint="give IP addresses, and ports from 1 to 65535",
        field="endpoints",
    )
