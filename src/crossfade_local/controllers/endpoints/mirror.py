"""Mirrors Endpoints that people write by hand into EndpointSlices, the only kind that consumers read today."""

from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.core.endpoint_slice import SERVICE_NAME_LABEL
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import ENDPOINT_SLICE, ENDPOINTS, SERVICE
from crossfade_local.controllers.endpoints.controller import apply_changes
from crossfade_local.controllers.endpoints.ordering import in_slice_order
from crossfade_local.controllers.endpoints.slices import MANAGED_BY_LABEL, fewest_changes
from crossfade_local.controllers.endpoints.trigger_times import CHANGED_AT
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import controller_ref, is_being_deleted, key_of, name_of, namespace_of
from crossfade_local.controllers.reconciler import Reconciler

MANAGER: Final = "endpointslicemirroring-controller.k8s.io"
SKIP_LABEL: Final = "endpointslice.kubernetes.io/skip-mirror"
_OWN_ANNOTATIONS: Final = frozenset({"kubectl.kubernetes.io/last-applied-configuration", CHANGED_AT})


class EndpointsMirror:
    """Only for Services without a selector: the others' Endpoints are made by the endpoints controller."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("endpoints-mirror", self._reconcile, workers=1)
        self._client = client
        self._services = informers.of(SERVICE)
        self._endpoints = informers.of(ENDPOINTS)
        self._slices = informers.of(ENDPOINT_SLICE)
        self._services.on_change(self._on_object)
        self._endpoints.on_change(self._on_object)
        self._slices.on_change(self._on_slice)

    def _on_object(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        if changed is not None and self._endpoints.get(key_of(changed)) is not None:
            self.reconciler.queue.add(key_of(changed))

    def _on_slice(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        if changed is not None and _labels(changed).get(MANAGED_BY_LABEL) == MANAGER:
            name = _labels(changed).get(SERVICE_NAME_LABEL, "")
            self.reconciler.queue.add(NamespacedName(namespace_of(changed), name))

    async def _reconcile(self, key: NamespacedName) -> None:
        endpoints, service = self._endpoints.get(key), self._services.get(key)
        if endpoints is None or is_being_deleted(endpoints):
            # Its slices go by garbage collection.
            return
        is_by_hand = service is not None and not service["spec"].get("selector")
        contents = mirrored(endpoints) if is_by_hand and _labels(endpoints).get(SKIP_LABEL) != "true" else []
        existing = [
            item
            for item in self._slices.in_namespace(key.namespace)
            if _labels(item).get(MANAGED_BY_LABEL) == MANAGER
            and _labels(item).get(SERVICE_NAME_LABEL) == key.name
            and not is_being_deleted(item)
        ]
        metadata: JsonObject = {
            "generateName": f"{name_of(endpoints)}-",
            "namespace": key.namespace,
            "labels": _labels(endpoints) | {SERVICE_NAME_LABEL: key.name, MANAGED_BY_LABEL: MANAGER},
            "annotations": _annotations(endpoints),
            "ownerReferences": [controller_ref(endpoints)],
        }
        await apply_changes(self._client, self._slices, fewest_changes(contents, existing, metadata))


def mirrored(endpoints: JsonObject) -> list[JsonObject]:
    """Contents of the slices: one for each subset and address family."""
    contents = []
    for subset in endpoints.get("subsets") or ():
        addresses = [_endpoint(item, ready=True) for item in subset.get("addresses") or ()]
        addresses += [_endpoint(item, ready=False) for item in subset.get("notReadyAddresses") or ()]
        ports = [
            {"name": port.get("name", ""), "port": port["port"], "protocol": port.get("protocol", "TCP")}
            | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {})
            for port in subset.get("ports") or ()
        ]
        for family in ("IPv4", "IPv6"):
            members = [item for item in addresses if (":" in item["addresses"][0]) == (family == "IPv6")]
            if members:
                contents.append({"addressType": family, "ports": in_slice_order(ports), "endpoints": members})
    return contents


def _endpoint(address: JsonObject, *, ready: bool) -> JsonObject:
    kept = {key: address[key] for key in ("hostname", "nodeName", "targetRef") if address.get(key)}
    return {"addresses": [address["ip"]], "conditions": {"ready": ready}, **kept}


def _annotations(endpoints: JsonObject) -> dict[str, str]:
    theirs = endpoints["metadata"].get("annotations") or {}
    return {key: value for key, value in theirs.items() if key not in _OWN_ANNOTATIONS}


def _labels(obj: JsonObject) -> dict[str, str]:
    return dict(obj["metadata"].get("labels") or {})
