"""The controller of claims: binds each to a volume, has volumes made, and protects what pods use."""

import asyncio
from collections.abc import Iterator
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD, STORAGE_CLASS
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import is_being_deleted, key_of, name_of, ref_of, uid_of
from crossfade_local.controllers.reconciler import Reconciler, Retry
from crossfade_local.controllers.volumes import binding
from crossfade_local.controllers.volumes.users import ClaimUsers
from crossfade_local.local_volumes import LocalVolumes

PROTECTION: Final = "kubernetes.io/pvc-protection"


class Claims:
    """The binder, the provisioner of our own class, and the protection of claims in use."""

    def __init__(
        self, client: Client, informers: Informers, events: EventRecorder, *, volumes: LocalVolumes, node: str
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("volume-claims", self._reconcile)
        self._client = client
        self._events = events
        self._local = volumes
        self._node = node
        self._told: dict[NamespacedName, binding.Wait] = {}
        self._unbound: dict[str, set[NamespacedName]] = {}
        self._taken: dict[str, NamespacedName] = {}
        self._claims = informers.of(PERSISTENT_VOLUME_CLAIM)
        self._volumes = informers.of(PERSISTENT_VOLUME)
        self._classes = informers.of(STORAGE_CLASS)
        self._users = ClaimUsers(informers.of(POD), self.reconciler.queue.add)
        self._claims.on_change(self._on_claim)
        self._volumes.on_change(self._on_volume)
        self._classes.on_change(self._on_class)

    def _on_claim(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        if changed is None:
            return
        if after is None:
            self._told.pop(key_of(changed), None)
        self.reconciler.queue.add(key_of(changed))

    def _on_volume(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        if changed is None:
            return
        for volume in (before, after):
            if volume is not None and (key := binding.claim_key(volume)) is not None:
                self.reconciler.queue.add(NamespacedName(*key))
        uid = (changed["spec"].get("claimRef") or {}).get("uid")
        if uid and after is not None:
            self._taken[uid] = key_of(after)
        elif uid:
            self._taken.pop(uid, None)
        storage_class = changed["spec"].get("storageClassName") or ""
        free = self._unbound.setdefault(storage_class, set())
        if after is not None and not (after["spec"].get("claimRef") or {}).get("uid"):
            free.add(key_of(after))
            self._look_again_at(storage_class)
        else:
            free.discard(key_of(changed))

    def _on_class(self, _before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None:
            self._look_again_at(name_of(after))

    def _look_again_at(self, storage_class: str) -> None:
        """Claims of this class that have no volume yet."""
        for claim in self._claims:
            spec = claim["spec"]
            if (spec.get("storageClassName") or "") == storage_class and (claim.get("status") or {}).get(
                "phase"
            ) != "Bound":
                self.reconciler.queue.add(key_of(claim))

    async def _reconcile(self, key: NamespacedName) -> None:
        claim = self._claims.get(key)
        if claim is None:
            return
        if is_being_deleted(claim):
            await self._let_go(claim)
            return
        match self._decide(claim):
            case binding.Bind(volume):
                await self._bind(claim, volume)
            case binding.Provision(storage_class):
                await self._provision(claim, storage_class)
            case binding.Lost(message):
                await self._lose(claim, message)
            case binding.Wait() as wait:
                self._tell(claim, wait)

    def _decide(self, claim: JsonObject) -> binding.Decision:
        name = claim["spec"].get("volumeName")
        # A volume may name the claim already where the claim's own half of the binding was not written.
        own = NamespacedName("", name) if name else self._taken.get(uid_of(claim))
        classes = {}
        class_name = claim["spec"].get("storageClassName") or ""
        if (found := self._classes.get(NamespacedName("", class_name))) is not None:
            classes[class_name] = found
        return binding.decide(
            claim,
            own=self._volumes.get(own) if own is not None else None,
            available=self._available(class_name),
            classes=classes,
            is_wanted=self._users.is_wanted(key_of(claim)),
        )

    def _available(self, storage_class: str) -> Iterator[JsonObject]:
        for key in self._unbound.get(storage_class, ()):
            volume = self._volumes.get(key)
            if volume is not None:
                yield volume

    async def _bind(self, claim: JsonObject, volume: JsonObject) -> None:
        wanted = binding.bound_volume(volume, claim)
        if wanted is not volume:
            volume = await self._client.replace(PERSISTENT_VOLUME, wanted)
            self._volumes.observe(volume)
        changed = binding.bound_claim(claim, volume)
        if changed is not claim:
            claim = await self._client.replace(PERSISTENT_VOLUME_CLAIM, changed)
            self._claims.observe(claim)
        await self._write_status(claim, binding.bound_status(claim, volume))

    async def _provision(self, claim: JsonObject, storage_class: JsonObject) -> None:
        place = f"{key_of(claim).namespace}/{name_of(claim)}"
        text = f'External provisioner is provisioning volume for claim "{place}"'
        self._tell(claim, binding.Wait("Provisioning", text))
        volume = binding.new_volume(claim, storage_class, self._node)
        try:
            await asyncio.to_thread(self._local.make, name_of(volume))
        except OSError as error:
            name = name_of(storage_class)
            text = f'failed to provision volume with StorageClass "{name}": {error.strerror or error}'
            self._events.warning(ref_of(claim), "ProvisioningFailed", text)
            raise Retry(text) from error
        try:
            made = await self._client.create(PERSISTENT_VOLUME, volume)
        except AlreadyExists:
            made = await self._client.get(PERSISTENT_VOLUME, name_of(volume))
        else:
            text = f"Successfully provisioned volume {name_of(made)}"
            self._events.normal(ref_of(claim), "ProvisioningSucceeded", text)
        self._volumes.observe(made)
        await self._bind(claim, made)

    async def _lose(self, claim: JsonObject, message: str) -> None:
        status = claim.get("status") or {}
        if status.get("phase") != "Lost":
            self._events.warning(ref_of(claim), "ClaimLost", message)
        kept = {name: value for name, value in status.items() if name not in ("accessModes", "capacity")}
        await self._write_status(claim, {**kept, "phase": "Lost"})

    async def _let_go(self, claim: JsonObject) -> None:
        """A deleted claim goes when the last pod that has it is gone."""
        finalizers = claim["metadata"].get("finalizers") or []
        if PROTECTION not in finalizers or self._users.is_in_use(key_of(claim)):
            return
        kept = [name for name in finalizers if name != PROTECTION]
        changed = {**claim, "metadata": {**claim["metadata"], "finalizers": kept}}
        try:
            await self._client.replace(PERSISTENT_VOLUME_CLAIM, changed)
        except NotFound:
            return

    async def _write_status(self, claim: JsonObject, status: JsonObject) -> None:
        if status != (claim.get("status") or {}):
            stored = await self._client.replace(
                PERSISTENT_VOLUME_CLAIM, {**claim, "status": status}, subresource="status"
            )
            self._claims.observe(stored)

    def _tell(self, claim: JsonObject, wait: binding.Wait) -> None:
        """Each new reason once."""
        if not wait.reason or self._told.get(key_of(claim)) == wait:
            return
        self._told[key_of(claim)] = wait
        write = self._events.warning if wait.is_warning else self._events.normal
        write(ref_of(claim), wait.reason, wait.message)
