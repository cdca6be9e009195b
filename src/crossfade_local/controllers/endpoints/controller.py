"""Writes the EndpointSlices and Endpoints of every Service with a selector; others are left to whoever fills them."""

import contextlib
from collections.abc import Mapping

from crossfade_kube.client import Client
from crossfade_kube.core.endpoint_slice import SERVICE_NAME_LABEL
from crossfade_kube.errors import AlreadyExists, Forbidden, NotFound
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE
from crossfade_local.controllers.endpoints.addresses import PodAddress, pod_addresses
from crossfade_local.controllers.endpoints.slices import MANAGED_BY_LABEL, MANAGER, SliceChanges, slice_changes
from crossfade_local.controllers.endpoints.subsets import MANAGED_BY_LABEL as ENDPOINTS_MANAGED_BY
from crossfade_local.controllers.endpoints.subsets import MANAGER as ENDPOINTS_MANAGER
from crossfade_local.controllers.endpoints.subsets import endpoints_of, others_annotations, same_endpoints
from crossfade_local.controllers.endpoints.trigger_times import TriggerTimes, stamped
from crossfade_local.controllers.informers import Informer, Informers
from crossfade_local.controllers.objects import is_being_deleted, key_of, name_of, namespace_of
from crossfade_local.controllers.reconciler import Reconciler


class Endpoints:
    """The EndpointSlice and the Endpoints controller in one."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("endpoints", self._reconcile)
        self._client = client
        self._services = informers.of(SERVICE)
        self._pods = informers.of(POD)
        self._slices = informers.of(ENDPOINT_SLICE)
        self._endpoints = informers.of(ENDPOINTS)
        self._times = TriggerTimes()
        self._bereft: set[NamespacedName] = set()
        """Services that were deleted, and whose Endpoints are not gone yet."""
        self._services.on_change(self._on_service)
        self._endpoints.on_change(self._on_endpoints)
        self._slices.on_change(self._on_slice)
        self._pods.on_change(self._on_pod)

    def _on_service(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None:
            self._bereft.discard(key_of(after))
            self.reconciler.queue.add(key_of(after))
        elif before is not None:
            self._times.forget(key_of(before))
            self._bereft.add(key_of(before))
            self.reconciler.queue.add(key_of(before))

    def _on_endpoints(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        if changed is not None:
            self.reconciler.queue.add(key_of(changed))

    def _on_slice(self, before: JsonObject | None, after: JsonObject | None) -> None:
        for item in (before, after):
            if item is not None and _is_managed(item):
                service = item["metadata"]["labels"].get(SERVICE_NAME_LABEL, "")
                self.reconciler.queue.add(NamespacedName(namespace_of(item), service))

    def _on_pod(self, before: JsonObject | None, after: JsonObject | None) -> None:
        pods = [pod for pod in (before, after) if pod is not None]
        for service in self._services.in_namespace(namespace_of(pods[0])):
            if any(_selects(service, pod) for pod in pods):
                self.reconciler.queue.add(key_of(service))

    async def _reconcile(self, key: NamespacedName) -> float | None:
        service = self._services.get(key)
        if service is None or is_being_deleted(service):
            await self._remove_endpoints(key)
        elif service["spec"].get("selector") and service["spec"].get("type") != "ExternalName":
            pods = [pod for pod in self._pods.in_namespace(key.namespace) if _selects(service, pod)]
            addresses, changed_at = pod_addresses(service, pods), self._times.take(service, pods)
            try:
                await self._write_slices(service, addresses, changed_at)
                await self._write_endpoints(service, addresses, changed_at)
            except Forbidden as exc:
                if not exc.has_cause("NamespaceTerminating"):
                    raise
        return None

    async def _write_slices(self, service: JsonObject, addresses: list[PodAddress], changed_at: str | None) -> None:
        existing = [
            item
            for item in self._slices.in_namespace(namespace_of(service))
            if _is_managed(item)
            and item["metadata"]["labels"].get(SERVICE_NAME_LABEL) == name_of(service)
            and not is_being_deleted(item)
        ]
        changes = slice_changes(service, addresses, existing)
        changes = changes._replace(
            create=[stamped(item, changed_at) for item in changes.create],
            replace=[stamped(item, changed_at) for item in changes.replace],
        )
        await apply_changes(self._client, self._slices, changes)

    async def _write_endpoints(self, service: JsonObject, addresses: list[PodAddress], changed_at: str | None) -> None:
        wanted = stamped(endpoints_of(service, addresses), changed_at)
        stored = self._endpoints.get(key_of(service))
        if stored is None:
            try:
                written = await self._client.create(ENDPOINTS, wanted)
            except AlreadyExists:
                return
        elif same_endpoints(wanted, stored):
            return
        else:
            annotations = others_annotations(stored) | (wanted["metadata"].get("annotations") or {})
            wanted["metadata"] = {**stored["metadata"], **wanted["metadata"], "annotations": annotations}
            written = await self._client.replace(ENDPOINTS, wanted)
        self._endpoints.observe(written)

    async def _remove_endpoints(self, service: NamespacedName) -> None:
        """Slices go by garbage collection. Endpoints have no owner: who wrote them, they go with the Service of their
        name; where there was none, only those go that were made here.
        """
        stored = self._endpoints.get(service)
        is_made_here = stored is not None and _label(stored, ENDPOINTS_MANAGED_BY) == ENDPOINTS_MANAGER
        if stored is not None and (is_made_here or service in self._bereft):
            with contextlib.suppress(NotFound):
                await self._client.delete(ENDPOINTS, service.name, namespace=service.namespace)
        self._bereft.discard(service)


async def apply_changes(client: Client, slices: Informer, changes: SliceChanges) -> None:
    for item in changes.replace:
        slices.observe(await client.replace(ENDPOINT_SLICE, item))
    for item in changes.create:
        slices.observe(await client.create(ENDPOINT_SLICE, item))
    for item in changes.delete:
        try:
            await client.delete(ENDPOINT_SLICE, name_of(item), namespace=namespace_of(item))
        except NotFound:
            continue


def _is_managed(item: JsonObject) -> bool:
    return _label(item, MANAGED_BY_LABEL) == MANAGER


def _label(obj: JsonObject, key: str) -> str | None:
    labels: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return labels.get(key)


def _selects(service: JsonObject, pod: JsonObject) -> bool:
    selector: dict[str, str] = service["spec"].get("selector") or {}
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    return bool(selector) and selector.items() <= labels.items()
