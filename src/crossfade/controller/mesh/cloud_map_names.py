"""Keeps Cloud Map's names in the cluster's DNS: writes what `cloud_map_objects` wants, takes away what nobody does."""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec

from crossfade.controller.mesh.cloud_map_objects import MANAGED_LABEL
from crossfade.store.snapshot import Snapshot
from crossfade_kube.backoff import Backoff
from crossfade_kube.client import Client
from crossfade_kube.core import EndpointSlice, Service
from crossfade_kube.errors import KubeError, NotFound
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import JsonObject, Resource

_RESOURCES: Final = {kind.RESOURCE.kind: kind.RESOURCE for kind in (Service, EndpointSlice)}
_PAUSES_S: Final = (0.5, 30.0)
_Key = tuple[str, str]


class CloudMapNames:
    """For one term of a leader. `submit` notes what is wanted, `run` writes it until cancelled."""

    def __init__(self, client: Client, *, namespace: str, manager: str, log: EventLog) -> None:
        self._client = client
        self._namespace = namespace
        self._manager = manager
        self._log = log
        self._wanted: dict[_Key, JsonObject] = {}
        self._existing: set[_Key] = set()
        self._written: dict[_Key, bytes] = {}
        self._changed = asyncio.Event()

    def submit(self, wanted: Iterable[JsonObject], snapshot: Snapshot) -> None:
        """`snapshot` tells what is there already."""
        existing = {
            (kind.RESOURCE.kind, item.metadata.name)
            for kind in (Service, EndpointSlice)
            for item in snapshot.all(kind)
            if item.metadata.namespace == self._namespace and MANAGED_LABEL in item.metadata.labels
        }
        for gone in self._existing - existing:
            self._written.pop(gone, None)
        self._existing = existing
        self._wanted = {(item["kind"], item["metadata"]["name"]): item for item in wanted}
        self._changed.set()

    async def run(self) -> None:
        backoff = Backoff(*_PAUSES_S)
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._write()
            except KubeError as exc:
                self._log.warning("cloud_map.not_written", reason=exc)
                self._changed.set()
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.reset()

    async def _write(self) -> None:
        for key, item in self._wanted.items():
            text = msgspec.json.encode(item, order="deterministic")
            if self._written.get(key) != text:
                await self._client.apply(_RESOURCES[key[0]], item, field_manager=self._manager)
                self._written[key] = text
        for key in sorted((self._existing | self._written.keys()) - self._wanted.keys()):
            await self._delete(_RESOURCES[key[0]], key[1])
            self._written.pop(key, None)
            self._existing.discard(key)

    async def _delete(self, resource: Resource, name: str) -> None:
        try:
            await self._client.delete(resource, name, namespace=self._namespace)
        except NotFound:
            return
