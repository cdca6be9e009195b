"""Cloud Map without AWS: which instances a service has, as App Mesh's controller registered them (appmesh.md §5.4).

A virtual node registers the pods that it selects; another one finds those whose attributes include the ones it names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct

from crossfade.api.appmesh import VirtualNode
from crossfade.api.bounds import is_ip_address
from crossfade.compile.mesh.sidecars import SIDECAR_ANNOTATION, taken_ports
from crossfade.compile.model import Endpoint
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Pod
from crossfade_kube.meta import LabelSelector, NamespacedName

MESH_ATTRIBUTE: Final = "appmesh.k8s.aws/mesh"
FAMILIES: Final = ("IPv4", "IPv6")
_ADDRESS_ATTRIBUTES: Final = {"IPv4": "AWS_INSTANCE_IPV4", "IPv6": "AWS_INSTANCE_IPV6"}


class CloudMapName(NamedTuple):
    """Of a service; its DNS name is `<service>.<namespace>`."""

    namespace: str
    service: str

    @property
    def host(self) -> str:
        return f"{self.service}.{self.namespace}"


class Registration(Struct, frozen=True):
    """Pods of the node's namespace that one virtual node keeps registered; `ports` are those of its listeners."""

    name: CloudMapName
    node: NamespacedName
    selector: LabelSelector
    attributes: tuple[tuple[str, str], ...]
    ports: tuple[int, ...]


class CloudMapSource(Struct, frozen=True):
    """As an `EndpointSource`, by instances that have all the attributes and are of no other mesh (by awsName)."""

    mesh: str
    name: CloudMapName
    attributes: tuple[tuple[str, str], ...]
    port: int
    families: tuple[str, ...]
    sidecar: str = ""
    """As of an `EndpointSource`."""


class Instance(NamedTuple):
    """`addresses` by family. One that is draining ends, and still serves."""

    addresses: Mapping[str, str]
    attributes: Mapping[str, str]
    is_draining: bool
    ports: tuple[int, ...]
    sidecar: str = ""
    """What injection wrote on the pod (`SIDECAR_ANNOTATION`)."""


InstancesByName: TypeAlias = Mapping[CloudMapName, tuple[Instance, ...]]


def uses_cloud_map(snapshot: Snapshot) -> bool:
    """Some node does, so pods are of interest."""
    nodes = (node.spec.service_discovery for node in snapshot.all(VirtualNode))
    return any(discovery is not None and discovery.aws_cloud_map is not None for discovery in nodes)


def registration_of(node: VirtualNode, mesh: str, region: str) -> Registration | None:
    """None for a node that selects no pods, or is found otherwise. `mesh` is the mesh's awsName."""
    discovery = node.spec.service_discovery
    cloud_map = discovery.aws_cloud_map if discovery is not None and discovery.dns is None else None
    if cloud_map is None or node.spec.pod_selector is None:
        return None
    own = ((attribute.key, attribute.value) for attribute in cloud_map.attributes)
    ports = tuple(dict.fromkeys(listener.port_mapping.port for listener in node.spec.listeners))
    of_us = (
        *((("AWS_INSTANCE_PORT", str(ports[0])),) if ports else ()),
        ("REGION", region),
        (MESH_ATTRIBUTE, mesh),
        ("appmesh.k8s.aws/virtualNode", node.aws_name),
        ("k8s.io/namespace", node.metadata.namespace),
    )
    name = CloudMapName(cloud_map.namespace_name, cloud_map.service_name)
    return Registration(name, node.metadata.key, node.spec.pod_selector, (*own, *of_us), ports)


def registered_instances(registrations: Iterable[Registration], snapshot: Snapshot) -> InstancesByName:
    """Of every service that a node registers pods at, some without instances; ordered."""
    pods = _Pods(snapshot.all(Pod))
    found: dict[CloudMapName, list[tuple[str, Instance]]] = {}
    for registration in registrations:
        own = found.setdefault(registration.name, [])
        own += [(pod.metadata.name, one) for pod in pods.of(registration) if (one := _instance(pod, registration))]
    return {name: tuple(one for _, one in sorted(own, key=_by_name)) for name, own in sorted(found.items())}


def _by_name(named: tuple[str, Instance]) -> tuple[str, list[tuple[str, str]]]:
    return named[0], sorted(named[1].attributes.items())


class _Pods:
    """By namespace, and by each label there: what a selector names is found without looking at all others."""

    def __init__(self, pods: Iterable[Pod]) -> None:
        self._by_namespace: dict[str, list[Pod]] = {}
        self._by_label: dict[tuple[str, str, str], list[Pod]] = {}
        for pod in pods:
            namespace = pod.metadata.namespace
            self._by_namespace.setdefault(namespace, []).append(pod)
            for key, value in pod.metadata.labels.items():
                self._by_label.setdefault((namespace, key, value), []).append(pod)

    def of(self, registration: Registration) -> Iterator[Pod]:
        selector, namespace = registration.selector, registration.node.namespace
        first = next(iter(selector.match_labels.items()), None)
        some: Sequence[Pod] = (
            self._by_namespace.get(namespace, ()) if first is None else self._by_label.get((namespace, *first), ())
        )
        return (pod for pod in some if selector.matches(pod.metadata.labels))


def _instance(pod: Pod, registration: Registration) -> Instance | None:
    """None as long as its containers are not ready."""
    given = [one.ip for one in pod.status.pod_ips] or [pod.status.pod_ip]
    addresses = {("IPv6" if ":" in ip else "IPv4"): ip for ip in given if is_ip_address(ip)}
    if not addresses or pod.is_finished or not _are_containers_ready(pod):
        return None
    attributes = {
        **pod.metadata.labels,
        **dict(registration.attributes),
        "k8s.io/pod": pod.metadata.name,
        **{_ADDRESS_ATTRIBUTES[family]: ip for family, ip in addresses.items()},
    }
    sidecar = pod.metadata.annotations.get(SIDECAR_ANNOTATION, "")
    return Instance(addresses, attributes, pod.metadata.deletion_timestamp is not None, registration.ports, sidecar)


def _are_containers_ready(pod: Pod) -> bool:
    return any(one.type == "ContainersReady" and one.status == "True" for one in pod.status.conditions)


def source_endpoints(source: CloudMapSource, instances: Iterable[Instance]) -> tuple[Endpoint, ...]:
    """Of each instance the address of the first family that it has; ordered."""
    addresses = _serving(_addressed(source, instances))
    return tuple(Endpoint(address, source.port) for address in addresses)


def instances_with_sidecar(source: CloudMapSource, instances: Iterable[Instance]) -> frozenset[str]:
    """The addresses of those whose sidecar takes what comes for the source's port."""
    return frozenset(
        address
        for one, address in _addressed(source, instances)
        if source.port in taken_ports(one.sidecar, source.sidecar)
    )


def _addressed(source: CloudMapSource, instances: Iterable[Instance]) -> Iterator[tuple[Instance, str]]:
    wanted = dict(source.attributes)
    of_mesh = (one for one in instances if one.attributes.get(MESH_ATTRIBUTE, source.mesh) == source.mesh)
    found = (one for one in of_mesh if wanted.items() <= one.attributes.items())
    return ((one, one.addresses[own[0]]) for one in found if (own := _families(one, source)))


def _families(instance: Instance, source: CloudMapSource) -> list[str]:
    return [family for family in source.families if family in instance.addresses]


def serving(instances: Iterable[Instance], family: str) -> tuple[str, ...]:
    """Addresses of one family, each once, in order."""
    return _serving((one, one.addresses[family]) for one in instances if family in one.addresses)


def _serving(addressed: Iterable[tuple[Instance, str]]) -> tuple[str, ...]:
    """As of a Service: those that end only where no other is left."""
    own = list(addressed)
    staying = [address for one, address in own if not one.is_draining]
    return tuple(sorted(set(staying or [address for _, address in own])))
