"""Keeps `status` of policies: which generation was looked at, and what its expressions are warned of."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.apply import server_side_apply
from crossfade_local.apiserver.policies import type_checking
from crossfade_local.apiserver.policies.index import POLICIES
from crossfade_local.apiserver.state.storage import DELETED, Conflict, Event, NotWritten, Storage, Stored
from crossfade_local.apiserver.types.registry import Registry
from crossfade_local.values.fields import mapping, number

MANAGER: Final = "validatingadmissionpolicy-status"
_REFUSED_S: Final = 1.0
log = logging.getLogger(__name__)


class PolicyStatus:
    def __init__(self, storage: Storage, registry: Registry, clock: Callable[[], datetime]) -> None:
        self._storage: Final = storage
        self._registry: Final = registry
        self._clock: Final = clock
        self._dirty: Final = {stored.key[1] for stored in storage.scan(POLICIES)}
        self._changed: Final = asyncio.Event()
        self._changed.set()
        storage.on_change(self._note)

    def _note(self, bucket: str, event: Event) -> None:
        if bucket == POLICIES and event.type != DELETED:
            self._dirty.add(event.after.key[1])
            self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._dirty:
                await self.look_at(self._dirty.pop())

    async def look_at(self, name: str) -> None:
        stored = self._storage.get(POLICIES, "", name)
        if stored is None:
            return
        generation = number(stored.object, "metadata", "generation")
        if generation <= number(stored.object, "status", "observedGeneration"):
            return
        spec = mapping(stored.object, "spec")
        found = await asyncio.to_thread(type_checking.warnings, spec, self._registry)
        try:
            await self._storage.update(POLICIES, stored, self._written(stored, generation, found))
        except Conflict:
            self._dirty.add(name)
        except NotWritten as error:
            log.info("policy.status_not_written", extra={"fields": {"policy": name, "reason": error}})
            self._dirty.add(name)
            await asyncio.sleep(_REFUSED_S)

    def _written(self, stored: Stored, generation: int, found: list[JsonObject]) -> JsonObject:
        """As Kubernetes' controller applies it."""
        live = stored.copy()
        applied = {
            "apiVersion": live["apiVersion"],
            "kind": live["kind"],
            "metadata": {"name": stored.key[1]},
            "status": {
                "observedGeneration": generation,
                "typeChecking": {"expressionWarnings": found} if found else {},
            },
        }
        group, version, kind = "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy"
        return server_side_apply(
            live,
            applied,
            manager=MANAGER,
            force=True,
            subresource="status",
            schema=self._registry.types.schema((group, version, kind)),
            now=self._clock(),
        )
