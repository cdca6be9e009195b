"""Services joined with their ready endpoints: what address translation, DNS and the host's relays work from. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject, NamespacedName

_SERVICE_LABEL: Final = "kubernetes.io/service-name"
_NAMES_ANNOTATION: Final = "external-dns.alpha.kubernetes.io/hostname"
HEADLESS: Final = "None"


class Endpoint(NamedTuple):
    address: str
    port: int


class ServicePort(NamedTuple):
    """`endpoints` are ready; `unready` are those that are neither ready nor about to go."""

    name: str
    protocol: str
    port: int
    node_port: int
    endpoints: tuple[Endpoint, ...]
    unready: tuple[Endpoint, ...] = ()


class ServiceEntry(NamedTuple):
    """`cluster_ip` is empty for ExternalName and "None" for headless ones; `hosts` are (hostname, address) pairs."""

    key: NamespacedName
    kind: str
    cluster_ip: str
    ports: tuple[ServicePort, ...]
    hosts: tuple[tuple[str, str], ...] = ()
    external_name: str = ""
    sticky: bool = False
    created: str = ""
    other_names: tuple[str, ...] = ()
    """DNS names outside of the cluster's domain, as ExternalDNS reads them from an annotation; in lower case."""
    uid: str = ""

    @property
    def is_headless(self) -> bool:
        return self.cluster_ip == HEADLESS


ServiceTable = Mapping[NamespacedName, ServiceEntry]


def build_table(services: Iterable[JsonObject], slices: Iterable[JsonObject]) -> ServiceTable:
    by_service: dict[NamespacedName, list[JsonObject]] = defaultdict(list)
    for one in slices:
        metadata = one["metadata"]
        owner = (metadata.get("labels") or {}).get(_SERVICE_LABEL)
        if owner and one.get("addressType", "IPv4") == "IPv4":
            by_service[NamespacedName(metadata["namespace"], owner)].append(one)
    entries = (_entry(service, by_service) for service in services)
    return {entry.key: entry for entry in entries}


def _entry(service: JsonObject, by_service: Mapping[NamespacedName, list[JsonObject]]) -> ServiceEntry:
    metadata, spec = service["metadata"], service["spec"]
    key = NamespacedName(metadata["namespace"], metadata["name"])
    everyone = bool(spec.get("publishNotReadyAddresses"))
    slices = sorted(by_service.get(key, ()), key=lambda one: str(one["metadata"]["name"]))
    return ServiceEntry(
        key=key,
        kind=spec.get("type", "ClusterIP"),
        cluster_ip=spec.get("clusterIP") or "",
        ports=tuple(_port(port, slices, everyone) for port in spec.get("ports") or ()),
        hosts=tuple(_hosts(slices, everyone)),
        external_name=spec.get("externalName") or "",
        sticky=spec.get("sessionAffinity") == "ClientIP",
        created=metadata.get("creationTimestamp") or "",
        other_names=tuple(_other_names(metadata.get("annotations") or {})),
        uid=metadata.get("uid") or "",
    )


def _other_names(annotations: Mapping[str, str]) -> Iterable[str]:
    names = (name.strip().rstrip(".").lower() for name in annotations.get(_NAMES_ANNOTATION, "").split(","))
    return (name for name in names if name)


def _port(port: JsonObject, slices: Iterable[JsonObject], everyone: bool) -> ServicePort:
    name, protocol = port.get("name") or "", port.get("protocol") or "TCP"
    ready: dict[Endpoint, None] = {}
    ending: dict[Endpoint, None] = {}
    unready: dict[Endpoint, None] = {}
    for one in slices:
        for offered in one.get("ports") or ():
            if (offered.get("name") or "", offered.get("protocol") or "TCP") != (name, protocol):
                continue
            if number := offered.get("port"):
                ready |= dict.fromkeys(Endpoint(address, number) for address, _ in _ready(one, everyone))
                ending |= dict.fromkeys(Endpoint(address, number) for address in _serving_to_the_end(one))
                unready |= dict.fromkeys(Endpoint(address, number) for address in _unready(one, everyone))
    return ServicePort(name, protocol, port["port"], port.get("nodePort") or 0, tuple(ready or ending), tuple(unready))


def _hosts(slices: Iterable[JsonObject], everyone: bool) -> Iterable[tuple[str, str]]:
    return dict.fromkeys((hostname, address) for one in slices for address, hostname in _ready(one, everyone))


def _ready(one: JsonObject, everyone: bool) -> Iterable[tuple[str, str]]:
    for endpoint in one.get("endpoints") or ():
        ready = (endpoint.get("conditions") or {}).get("ready")
        if everyone or ready is None or ready:
            for address in endpoint.get("addresses") or ():
                yield address, endpoint.get("hostname") or ""


def _serving_to_the_end(one: JsonObject) -> Iterable[str]:
    """They count where none is ready, as kube-proxy does it."""
    for endpoint in one.get("endpoints") or ():
        conditions = endpoint.get("conditions") or {}
        if conditions.get("terminating") and conditions.get("serving"):
            yield from endpoint.get("addresses") or ()


def _unready(one: JsonObject, everyone: bool) -> Iterable[str]:
    for endpoint in one.get("endpoints") or ():
        conditions = endpoint.get("conditions") or {}
        if not everyone and conditions.get("ready") is False and not conditions.get("terminating"):
            yield from endpoint.get("addresses") or ()
