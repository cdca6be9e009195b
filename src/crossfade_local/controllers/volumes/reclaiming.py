"""The controller of volumes: their phases, their protection while a claim has them, and what is left afterwards."""

import asyncio
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import is_being_deleted, key_of, name_of, ref_of, uid_of
from crossfade_local.controllers.reconciler import Reconciler, Retry
from crossfade_local.controllers.volumes import binding
from crossfade_local.local_volumes import LocalVolumes

PROTECTION: Final = "kubernetes.io/pv-protection"


class Volumes:
    """Reclaims by the volume's own policy; only volumes of our own driver can be deleted with their data."""

    def __init__(self, client: Client, informers: Informers, events: EventRecorder, *, volumes: LocalVolumes) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("volumes", self._reconcile)
        self._client = client
        self._events = events
        self._local = volumes
        self._volumes = informers.of(PERSISTENT_VOLUME)
        self._claims = informers.of(PERSISTENT_VOLUME_CLAIM)
        self._by_claim: dict[NamespacedName, set[NamespacedName]] = {}
        self._volumes.on_change(self._on_volume)
        self._claims.on_change(self._on_claim)

    def _on_volume(self, before: JsonObject | None, after: JsonObject | None) -> None:
        for volume, add in ((before, False), (after, True)):
            key = binding.claim_key(volume) if volume is not None else None
            if volume is None or key is None:
                continue
            known = self._by_claim.setdefault(NamespacedName(*key), set())
            (known.add if add else known.discard)(key_of(volume))
            if not known:
                del self._by_claim[NamespacedName(*key)]
        if after is not None:
            self.reconciler.queue.add(key_of(after))

    def _on_claim(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        for key in self._by_claim.get(key_of(changed), ()) if changed is not None else ():
            self.reconciler.queue.add(key)

    async def _reconcile(self, key: NamespacedName) -> None:
        volume = self._volumes.get(key)
        if volume is None:
            return
        place = binding.claim_key(volume)
        claim = self._claims.get(NamespacedName(*place)) if place is not None else None
        phase = binding.phase_of(volume, claim)
        if phase == "Released" and await self._is_claimed(volume):
            raise Retry("the claim exists after all")
        has_failed = (volume.get("status") or {}).get("phase") == "Failed" and phase == "Released"
        if not has_failed:
            volume = await self._write_phase(volume, phase)
        if phase == "Released" and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            volume = await self._delete(volume)
        if is_being_deleted(volume) and phase != "Bound":
            await self._let_go(volume)

    async def _is_claimed(self, volume: JsonObject) -> bool:
        """Asked of the server itself: data may be deleted on the answer."""
        reference = volume["spec"]["claimRef"]
        try:
            claim = await self._client.get(
                PERSISTENT_VOLUME_CLAIM, reference["name"], namespace=reference.get("namespace")
            )
        except NotFound:
            return False
        return binding.phase_of(volume, claim) == "Bound"

    async def _delete(self, volume: JsonObject) -> JsonObject:
        """The volume as it is then: being deleted, or failed."""
        if not binding.is_ours(volume):
            text = "error getting deleter volume plugin for volume: no deletable volume plugin matched"
            return await self._fail(volume, text)
        try:
            await asyncio.to_thread(self._local.remove, volume["spec"]["csi"].get("volumeHandle") or "")
        except (OSError, ValueError) as error:
            await self._fail(volume, str(error))
            raise Retry(str(error)) from error
        if is_being_deleted(volume):
            return volume
        try:
            deleted = await self._client.delete(PERSISTENT_VOLUME, name_of(volume), uid=uid_of(volume))
        except NotFound:
            return volume
        self._volumes.observe(deleted)
        return deleted

    async def _fail(self, volume: JsonObject, message: str) -> JsonObject:
        if (volume.get("status") or {}).get("message") != message:
            self._events.warning(ref_of(volume), "VolumeFailedDelete", message)
        return await self._write_phase(volume, "Failed", message)

    async def _let_go(self, volume: JsonObject) -> None:
        finalizers = volume["metadata"].get("finalizers") or []
        if PROTECTION in finalizers:
            kept = [name for name in finalizers if name != PROTECTION]
            changed = {**volume, "metadata": {**volume["metadata"], "finalizers": kept}}
            try:
                await self._client.replace(PERSISTENT_VOLUME, changed)
            except NotFound:
                return

    async def _write_phase(self, volume: JsonObject, phase: str, message: str = "") -> JsonObject:
        known = volume.get("status") or {}
        wanted = {"phase": phase, **({"message": message} if message else {})}
        if all(known.get(name) == wanted.get(name) for name in ("phase", "message")):
            return volume
        stored = await self._client.replace(PERSISTENT_VOLUME, {**volume, "status": wanted}, subresource="status")
        self._volumes.observe(stored)
        return stored
