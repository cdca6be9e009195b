"""Where a virtual node's traffic can go now: the endpoints of the Service behind its hostname, or its instances.

They change far more often than anything else, so they are compiled apart: nothing of a proxy depends on them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct

from crossfade.api.bounds import PORT, Misfit, is_ip_address
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.mesh.cloud_map import (
    CloudMapName,
    CloudMapSource,
    InstancesByName,
    Registration,
    instances_with_sidecar,
    registered_instances,
    source_endpoints,
)
from crossfade.compile.mesh.sidecars import Sidecar, SidecarsByNode, sidecars_by_node
from crossfade.compile.model import Endpoint, carried_endpoints
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import EndpointSlice, Pod, Service
from crossfade_kube.core import endpoint_slice as core
from crossfade_kube.core.service import ServicePort
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref

HEADLESS: Final = "None"
NO_INSTANCES: Final[InstancesByName] = MappingProxyType({})


class EndpointSource(Struct, frozen=True):
    """`port` is the listener's; of the address `families` the first that has endpoints counts."""

    service: NamespacedName
    port: int
    families: tuple[str, ...] = ("IPv6", "IPv4")
    sidecar: str = ""
    """The path of the node whose sidecars are spoken to in HTTP/2 if all endpoints have one; empty: never."""


Source: TypeAlias = EndpointSource | CloudMapSource
SourcesByCluster: TypeAlias = Mapping[str, Source]
EndpointsByCluster: TypeAlias = Mapping[str, tuple[Endpoint, ...]]


class FoundEndpoints(NamedTuple):
    """`by_mesh` and cluster, as the sources are; `instances` are those of Cloud Map.

    Of a cluster that may be carried over HTTP/2 also those of its endpoints that have a sidecar, by the name of their
    own. It is `carried` by mesh where these are all.
    """

    by_mesh: Mapping[str, EndpointsByCluster]
    instances: InstancesByName
    carried: Mapping[str, frozenset[str]]


class _Found(NamedTuple):
    """`with_sidecar` are some of the `endpoints`; None where nobody asks."""

    endpoints: tuple[Endpoint, ...] = ()
    with_sidecar: tuple[Endpoint, ...] | None = None


class _Candidate(NamedTuple):
    family: str
    is_ready: bool
    is_draining: bool
    endpoint: Endpoint


def compile_endpoints(
    sources: Mapping[str, SourcesByCluster],
    registrations: tuple[Registration, ...],
    snapshot: Snapshot,
    memo: Memo,
    diagnostics: Diagnostics,
    foreign: InstancesByName = NO_INSTANCES,
) -> FoundEndpoints:
    """Only what concerns a changed slice or changed pods is compiled again. `foreign` are instances of others."""
    instances = _instances(registrations, snapshot, foreign, memo, diagnostics)
    sidecars = _sidecars(sources, snapshot, memo, diagnostics)
    inputs = _Inputs(snapshot, _slices_by_service(snapshot), instances, sidecars, memo, diagnostics)
    by_mesh: dict[str, EndpointsByCluster] = {}
    carried: dict[str, frozenset[str]] = {}
    for mesh, by_cluster in sources.items():
        found = {cluster: inputs.found((mesh, cluster), source) for cluster, source in by_cluster.items()}
        asked = {cluster: own for cluster, one in found.items() if (own := one.with_sidecar) is not None}
        by_mesh[mesh] = {cluster: one.endpoints for cluster, one in found.items()} | {
            carried_endpoints(cluster): own for cluster, own in asked.items()
        }
        carried[mesh] = frozenset(cluster for cluster, own in asked.items() if own == found[cluster].endpoints)
    return FoundEndpoints(by_mesh, instances, carried)


def _sidecars(
    sources: Mapping[str, SourcesByCluster], snapshot: Snapshot, memo: Memo, diagnostics: Diagnostics
) -> SidecarsByNode:
    if not any(source.sidecar for by_cluster in sources.values() for source in by_cluster.values()):
        return {}
    pods = snapshot.all(Pod)
    return memo.of("sidecars", (pods,), lambda _: sidecars_by_node(pods), diagnostics)


def cloud_map_names(sources: Mapping[str, SourcesByCluster]) -> frozenset[CloudMapName]:
    """Of all services that somebody may call."""
    found = (source for by_cluster in sources.values() for source in by_cluster.values())
    return frozenset(source.name for source in found if isinstance(source, CloudMapSource))


def _instances(
    registrations: tuple[Registration, ...],
    snapshot: Snapshot,
    foreign: InstancesByName,
    memo: Memo,
    diagnostics: Diagnostics,
) -> InstancesByName:
    if not registrations and not foreign:
        return NO_INSTANCES

    def make(_: Diagnostics) -> InstancesByName:
        own = registered_instances(registrations, snapshot)
        return {name: (*own.get(name, ()), *foreign.get(name, ())) for name in sorted({*own, *foreign})}

    return memo.of("instances", (registrations, snapshot.all(Pod), foreign), make, diagnostics)


def _slices_by_service(snapshot: Snapshot) -> dict[NamespacedName, list[EndpointSlice]]:
    found: dict[NamespacedName, list[EndpointSlice]] = {}
    for item in snapshot.all(EndpointSlice):
        if item.service_name:
            found.setdefault(NamespacedName(item.metadata.namespace, item.service_name), []).append(item)
    return found


class _Inputs(NamedTuple):
    snapshot: Snapshot
    slices: Mapping[NamespacedName, Sequence[EndpointSlice]]
    instances: InstancesByName
    sidecars: SidecarsByNode
    memo: Memo
    diagnostics: Diagnostics

    def found(self, key: tuple[str, str], source: Source) -> _Found:
        return self._of_cloud_map(key, source) if isinstance(source, CloudMapSource) else self._of_service(key, source)

    def _of_cloud_map(self, key: tuple[str, str], source: CloudMapSource) -> _Found:
        own = self.instances.get(source.name, ())

        def make(_: Diagnostics) -> _Found:
            return _told_apart(source_endpoints(source, own), source, lambda: instances_with_sidecar(source, own))

        return self.memo.of(("endpoints", *key), (source, own), make, self.diagnostics)

    def _of_service(self, key: tuple[str, str], source: EndpointSource) -> _Found:
        service = self.snapshot.get(Service, *source.service)
        own = self.slices.get(source.service, ()) if service is not None else ()
        sidecars = self.sidecars.get(source.sidecar, frozenset())

        def make(found: Diagnostics) -> _Found:
            endpoints = service_endpoints(service, own, source, found) if service is not None else ()
            return _told_apart(endpoints, source, lambda: _addresses_with_sidecar(own, sidecars, source.port))

        return self.memo.of(("endpoints", *key), (service, source, sidecars, *own), make, self.diagnostics)


def _told_apart(endpoints: tuple[Endpoint, ...], source: Source, addresses: Callable[[], frozenset[str]]) -> _Found:
    """A sidecar takes what comes for the listener's own port; where a Service translates it nobody is asked for."""
    if not source.sidecar:
        return _Found(endpoints)
    own = addresses()
    return _Found(endpoints, tuple(one for one in endpoints if one.port == source.port and one.address in own))


def _addresses_with_sidecar(slices: Iterable[EndpointSlice], sidecars: Iterable[Sidecar], port: int) -> frozenset[str]:
    """An endpoint that is no pod's, or one of a pod that is not known yet, counts as one without."""
    pods = {one.pod for one in sidecars if port in one.ports}
    return frozenset(
        address
        for item in slices
        for end in item.endpoints
        if end.target_ref is not None
        and end.target_ref.kind == Pod.RESOURCE.kind
        and NamespacedName(end.target_ref.namespace or item.metadata.namespace, end.target_ref.name) in pods
        for address in end.addresses
    )


def service_endpoints(
    service: Service, slices: Iterable[EndpointSlice], source: EndpointSource, diagnostics: Diagnostics
) -> tuple[Endpoint, ...]:
    """Those that are ready; if none is, those that end but still serve, as kube-proxy does. Ordered."""
    found = [one for item in slices for one in _isolated_candidates(service, item, source, diagnostics)]
    for tier in ([one for one in found if one.is_ready], [one for one in found if one.is_draining]):
        for family in source.families:
            if endpoints := {one.endpoint for one in tier if one.family == family}:
                return tuple(sorted(endpoints))
    return ()


def tcp_port(service: Service, number: int) -> ServicePort | None:
    return next((port for port in service.spec.ports if port.port == number and port.protocol == "TCP"), None)


def is_headless(service: Service) -> bool:
    return service.spec.cluster_ip == HEADLESS


def _isolated_candidates(
    service: Service, item: EndpointSlice, source: EndpointSource, diagnostics: Diagnostics
) -> list[_Candidate]:
    return isolated(
        partial(_listed, service, item, source, diagnostics),
        otherwise=[],
        ref=typed_ref(item),
        effect="no request goes to its endpoints",
        diagnostics=diagnostics,
    )


def _listed(
    service: Service, item: EndpointSlice, source: EndpointSource, diagnostics: Diagnostics
) -> list[_Candidate]:
    return list(_candidates(service, item, source, diagnostics))


def _candidates(
    service: Service, item: EndpointSlice, source: EndpointSource, diagnostics: Diagnostics
) -> Iterator[_Candidate]:
    if item.address_type not in source.families:
        return
    are_all_ready = service.spec.publish_not_ready_addresses
    ports = _ports(service, item, source.port)
    for end in item.endpoints:
        is_ready, is_draining = are_all_ready or end.is_ready, end.is_serving and end.is_terminating
        if not is_ready and not is_draining:
            continue
        for endpoint in _usable(end, ports, item, diagnostics):
            yield _Candidate(item.address_type, is_ready, is_draining, endpoint)


def _ports(service: Service, item: EndpointSlice, number: int) -> tuple[int, ...]:
    """A headless Service gives addresses only; another one translates its port, by name."""
    if is_headless(service):
        return (number,)
    wanted = tcp_port(service, number)
    if wanted is None:
        return ()
    named = (port for port in item.ports if port.name == wanted.name and port.protocol == "TCP")
    return tuple(port.port for port in named if port.port is not None)


def _usable(
    end: core.Endpoint, ports: Iterable[int], item: EndpointSlice, diagnostics: Diagnostics
) -> Iterator[Endpoint]:
    for port in ports:
        for address in end.addresses:
            if is_ip_address(address) and not isinstance(PORT.check(port), Misfit):
                yield Endpoint(address, port, zone=end.zone)
                continue
            diagnostics.error(
                typed_ref(item),
                "endpointslice.invalid-endpoint",
                f"{address!r} with port {port} is no address and port to connect to",
                effect="no request goes there",
                hint="give IP addresses, and ports from 1 to 65535",
                field="endpoints",
            )
