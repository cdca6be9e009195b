"""The older Endpoints object of a Service; pure."""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.endpoints.addresses import (
    PodAddress,
    ResolvedPort,
    hostname_of,
    is_headless,
    publishes_not_ready,
    target_ref,
)
from crossfade_local.controllers.endpoints.ordering import in_subset_order
from crossfade_local.controllers.endpoints.slices import HEADLESS_LABEL
from crossfade_local.controllers.endpoints.trigger_times import CHANGED_AT
from crossfade_local.controllers.objects import name_of, namespace_of

MANAGED_BY_LABEL: Final = "endpoints.kubernetes.io/managed-by"
MANAGER: Final = "endpoint-controller"
_CAPACITY: Final = 1000
_OVER_CAPACITY: Final = "endpoints.kubernetes.io/over-capacity"


def endpoints_of(service: JsonObject, addresses: list[PodAddress]) -> JsonObject:
    """The whole object, without the server's own metadata. Pods beyond a thousand are cut off and that is noted."""
    tolerates = publishes_not_ready(service)
    counted = [address for address in addresses if tolerates or not address.is_terminating]
    labels = dict(service["metadata"].get("labels") or {})
    labels.pop(HEADLESS_LABEL, None)
    labels[MANAGED_BY_LABEL] = MANAGER
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    metadata: JsonObject = {"name": name_of(service), "namespace": namespace_of(service), "labels": labels}
    if len(counted) > _CAPACITY:
        metadata["annotations"] = {_OVER_CAPACITY: "truncated"}
        counted = sorted(counted, key=lambda address: not address.is_serving)[:_CAPACITY]
    endpoints: JsonObject = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    subsets = _subsets(service, counted)
    return {**endpoints, "subsets": subsets} if subsets else endpoints


def same_endpoints(wanted: JsonObject, stored: JsonObject) -> bool:
    return (wanted.get("subsets") or []) == (stored.get("subsets") or []) and wanted["metadata"]["labels"] == (
        stored["metadata"].get("labels") or {}
    )


def others_annotations(stored: JsonObject) -> dict[str, str]:
    """Those that did not come from here."""
    annotations = stored["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key not in (_OVER_CAPACITY, CHANGED_AT)}


def _subsets(service: JsonObject, addresses: list[PodAddress]) -> list[JsonObject]:
    """Each port goes with the set of pods that have it; ports with the same set share a subset."""
    by_port: dict[ResolvedPort | None, list[PodAddress]] = {}
    for address in addresses:
        ports: tuple[ResolvedPort | None, ...] = address.ports
        if not service["spec"].get("ports") and is_headless(service):
            ports = (None,)
        for port in ports:
            by_port.setdefault(port, []).append(address)
    by_members: dict[tuple[str, ...], list[ResolvedPort]] = {}
    members: dict[tuple[str, ...], list[PodAddress]] = {}
    for port, having in by_port.items():
        key = tuple(address.ip for address in having)
        members[key] = having
        by_members.setdefault(key, []).extend([port] if port is not None else [])
    return [_subset(service, members[key], ports) for key, ports in sorted(by_members.items())]


def _subset(service: JsonObject, members: list[PodAddress], ports: list[ResolvedPort]) -> JsonObject:
    tolerates = publishes_not_ready(service)
    ready = [_address(service, item) for item in members if item.is_serving or tolerates]
    not_ready = [_address(service, item) for item in members if not (item.is_serving or tolerates)]
    listed = [
        ({"name": port.name} if port.name else {})
        | {"port": port.port, "protocol": port.protocol}
        | ({"appProtocol": port.app_protocol} if port.app_protocol else {})
        for port in ports
    ]
    subset: JsonObject = {"addresses": ready} if ready else {}
    if not_ready:
        subset["notReadyAddresses"] = not_ready
    if listed:
        subset["ports"] = in_subset_order(listed)
    return subset


def _address(service: JsonObject, address: PodAddress) -> JsonObject:
    found: JsonObject = {"ip": address.ip, "targetRef": target_ref(address.pod)}
    if node := (address.pod.get("spec") or {}).get("nodeName"):
        found["nodeName"] = node
    if hostname := hostname_of(service, address.pod):
        found["hostname"] = hostname
    return found
