"""The EndpointSlices that a Service should have, and the fewest changes from those it has; pure."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from crossfade_kube.core.endpoint_slice import SERVICE_NAME_LABEL, EndpointSlice
from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.endpoints.addresses import (
    PodAddress,
    ResolvedPort,
    hostname_of,
    is_headless,
    publishes_not_ready,
    target_ref,
)
from crossfade_local.controllers.endpoints.ordering import in_slice_order
from crossfade_local.controllers.objects import controller_ref, name_of, namespace_of

MANAGED_BY_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
MANAGER: Final = "endpointslice-controller.k8s.io"
HEADLESS_LABEL: Final = "service.kubernetes.io/headless"
MOST_ENDPOINTS: Final = 100
_VERSION: Final = EndpointSlice.RESOURCE.api_version


class SliceChanges(NamedTuple):
    create: list[JsonObject]
    replace: list[JsonObject]
    delete: list[JsonObject]


def slice_changes(service: JsonObject, addresses: Iterable[PodAddress], existing: list[JsonObject]) -> SliceChanges:
    """What to do to `existing`, the slices that this controller made for the Service."""
    metadata: JsonObject = {
        "generateName": f"{name_of(service)}-",
        "namespace": namespace_of(service),
        "labels": slice_labels(service),
        "ownerReferences": [controller_ref(service)],
    }
    return fewest_changes(_wanted(service, list(addresses)), existing, metadata)


def fewest_changes(contents: list[JsonObject], existing: list[JsonObject], metadata: JsonObject) -> SliceChanges:
    """From `existing` to slices with these contents; new ones get `metadata`, kept ones its labels and annotations."""
    create, replace = [], []
    unused = sorted(existing, key=name_of)
    for content in contents:
        match = _best_match(content, unused)
        if match is None:
            create.append(
                {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, **content}
            )
            continue
        unused.remove(match)
        kept = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
        changed = {**match, **content, "metadata": {**match["metadata"], **kept}}
        if not _same(changed, match):
            replace.append(changed)
    return SliceChanges(create, replace, unused)


def slice_labels(service: JsonObject) -> dict[str, str]:
    """The Service's own labels, and those that tie the slice to it."""
    labels = {key: value for key, value in (service["metadata"].get("labels") or {}).items() if key != HEADLESS_LABEL}
    labels |= {SERVICE_NAME_LABEL: name_of(service), MANAGED_BY_LABEL: MANAGER}
    return labels | {HEADLESS_LABEL: ""} if is_headless(service) else labels


def _wanted(service: JsonObject, addresses: list[PodAddress]) -> list[JsonObject]:
    """Contents without metadata. Pods whose named ports have different numbers go to different slices."""
    groups: dict[tuple[ResolvedPort, ...], list[PodAddress]] = {}
    for address in addresses:
        if ":" not in address.ip:
            groups.setdefault(address.ports, []).append(address)
    contents = []
    for ports, members in sorted(groups.items(), key=lambda item: item[0]):
        for start in range(0, len(members), MOST_ENDPOINTS):
            endpoints = [_endpoint(service, member) for member in members[start : start + MOST_ENDPOINTS]]
            contents.append({"addressType": "IPv4", "ports": _ports(ports), "endpoints": endpoints})
    # A Service without pods has one empty slice: consumers then know that there is nothing to wait for.
    return contents or [{"addressType": "IPv4", "ports": None, "endpoints": None}]


def _ports(ports: tuple[ResolvedPort, ...]) -> list[JsonObject]:
    listed = [
        {"name": port.name, "port": port.port, "protocol": port.protocol}
        | ({"appProtocol": port.app_protocol} if port.app_protocol else {})
        for port in ports
    ]
    return in_slice_order(listed)


def _endpoint(service: JsonObject, address: PodAddress) -> JsonObject:
    ready = publishes_not_ready(service) or (address.is_serving and not address.is_terminating)
    endpoint: JsonObject = {
        "addresses": [address.ip],
        "conditions": {"ready": ready, "serving": address.is_serving, "terminating": address.is_terminating},
        "targetRef": target_ref(address.pod),
    }
    if node := (address.pod.get("spec") or {}).get("nodeName"):
        endpoint["nodeName"] = node
    if hostname := hostname_of(service, address.pod):
        endpoint["hostname"] = hostname
    return endpoint


def _best_match(content: JsonObject, candidates: list[JsonObject]) -> JsonObject | None:
    """A slice of the same ports that shares most addresses, else any: names should not change without need."""
    candidates = [item for item in candidates if item["addressType"] == content["addressType"]]
    if not candidates:
        return None
    wanted = _addresses(content)

    def score(candidate: JsonObject) -> tuple[bool, int]:
        return (candidate.get("ports") or []) == (content["ports"] or []), len(wanted & _addresses(candidate))

    return max(candidates, key=score)


def _addresses(content: JsonObject) -> set[str]:
    return {address for endpoint in content.get("endpoints") or () for address in endpoint["addresses"]}


def _same(left: JsonObject, right: JsonObject) -> bool:
    def parts(item: JsonObject) -> tuple[object, ...]:
        metadata = item["metadata"]
        told = metadata.get("labels") or {}, metadata.get("annotations") or {}
        return told, item.get("ports") or [], item.get("endpoints") or []

    return parts(left) == parts(right)
