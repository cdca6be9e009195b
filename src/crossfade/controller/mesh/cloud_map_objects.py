"""Services and EndpointSlices that give Cloud Map's names to cluster DNS.

For each service of Cloud Map there is a headless Service in the controller's namespace, with the instances as its
endpoints and its own name in the annotation of ExternalDNS. A DNS server that heeds the annotation answers for the name
as it is; CoreDNS is told to by one `rewrite` for each namespace of Cloud Map.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final

from crossfade.compile.mesh.cloud_map import FAMILIES, CloudMapName, Instance, InstancesByName, serving
from crossfade_kube.core import EndpointSlice, Service
from crossfade_kube.core.endpoint_slice import SERVICE_NAME_LABEL
from crossfade_kube.meta import JsonObject

HOSTNAME_ANNOTATION: Final = "external-dns.alpha.kubernetes.io/hostname"
TTL_ANNOTATION: Final = "external-dns.alpha.kubernetes.io/ttl"
DEFAULT_TTL_S: Final = 300
MANAGED_LABEL: Final = "crossfade.dev/cloud-map"
_SLICE_MANAGER_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
_MOST_ENDPOINTS: Final = 1000
_MOST_NAME: Final = 63
_SERVICE_NAME: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def cloud_map_objects(
    instances: InstancesByName, *, namespace: str, manager: str, ttl_s: int = DEFAULT_TTL_S
) -> list[JsonObject]:
    """In the order in which they are to be applied. `namespace` is the controller's own; `ttl_s` is of DNS records."""
    found: list[JsonObject] = []
    for cloud_map_name, object_name in _object_names(instances).items():
        own = instances[cloud_map_name]
        labels = {MANAGED_LABEL: "true"}
        service = _service(object_name, cloud_map_name, own, namespace, labels)
        if ttl_s != DEFAULT_TTL_S:
            service["metadata"]["annotations"][TTL_ANNOTATION] = str(ttl_s)
        found.append(service)
        found += _slices(object_name, own, namespace, {**labels, _SLICE_MANAGER_LABEL: manager})
    return found


def _object_names(instances: Iterable[CloudMapName]) -> Mapping[CloudMapName, str]:
    """`<service>--<namespace>` with dashes for dots, so that one rule finds all of a namespace; else a hash."""
    taken: dict[str, CloudMapName] = {}
    for name in sorted(instances):
        plain = f"{name.service}--{name.namespace.replace('.', '-')}".lower()
        is_usable = len(plain) <= _MOST_NAME and _SERVICE_NAME.fullmatch(plain) and plain not in taken
        taken[plain if is_usable else _hashed(name)] = name
    return {name: object_name for object_name, name in taken.items()}


def _hashed(name: CloudMapName) -> str:
    return "cloud-map-" + blake2b(repr(tuple(name)).encode(), digest_size=8).hexdigest()


def _service(
    object_name: str, name: CloudMapName, instances: Iterable[Instance], namespace: str, labels: dict[str, str]
) -> JsonObject:
    metadata = {"name": object_name, "namespace": namespace, "labels": labels}
    ports = [{"name": f"port-{port}", "port": port, "protocol": "TCP"} for port in _ports(instances)]
    return {
        "apiVersion": "v1",
        "kind": Service.RESOURCE.kind,
        "metadata": {**metadata, "annotations": {HOSTNAME_ANNOTATION: name.host}},
        "spec": {"clusterIP": "None", "ports": ports},
    }


def _ports(instances: Iterable[Instance]) -> list[int]:
    return sorted({port for instance in instances for port in instance.ports})


def _slices(
    object_name: str, instances: tuple[Instance, ...], namespace: str, labels: dict[str, str]
) -> Iterator[JsonObject]:
    ports = [{"name": f"port-{port}", "port": port, "protocol": "TCP"} for port in _ports(instances)]
    for family in FAMILIES:
        addresses = serving(instances, family)
        for start in range(0, len(addresses), _MOST_ENDPOINTS):
            some = addresses[start : start + _MOST_ENDPOINTS]
            yield {
                "apiVersion": EndpointSlice.RESOURCE.api_version,
                "kind": EndpointSlice.RESOURCE.kind,
                "metadata": {
                    "name": f"{object_name}-{family.lower()}-{start // _MOST_ENDPOINTS}",
                    "namespace": namespace,
                    "labels": {**labels, SERVICE_NAME_LABEL: object_name},
                },
                "addressType": family,
                "ports": ports,
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in some],
            }
