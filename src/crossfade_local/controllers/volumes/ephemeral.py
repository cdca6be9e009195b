"""Makes the claim of each generic ephemeral volume of a pod; it belongs to the pod, and goes with it."""

from collections.abc import Iterator

from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, ApiError
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import PERSISTENT_VOLUME_CLAIM, POD
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import (
    controller_of,
    controller_ref,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    ref_of,
    uid_of,
)
from crossfade_local.controllers.reconciler import Reconciler, Retry


def claims_for(pod: JsonObject) -> Iterator[JsonObject]:
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if not template:
            continue
        metadata = template.get("metadata") or {}
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": f"{name_of(pod)}-{volume['name']}",
                "namespace": namespace_of(pod),
                **{key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)},
                "ownerReferences": [controller_ref(pod)],
            },
            "spec": template["spec"],
        }


class EphemeralVolumes:
    """The controller of generic ephemeral volumes."""

    def __init__(self, client: Client, informers: Informers, events: EventRecorder) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("ephemeral-volumes", self._reconcile, workers=2)
        self._client = client
        self._events = events
        self._pods = informers.of(POD)
        self._claims = informers.of(PERSISTENT_VOLUME_CLAIM)
        self._pods.on_change(self._on_pod)

    def _on_pod(self, before: JsonObject | None, after: JsonObject | None) -> None:
        # A pod's volumes never change.
        if before is None and after is not None and any(True for _ in claims_for(after)):
            self.reconciler.queue.add(key_of(after))

    async def _reconcile(self, key: NamespacedName) -> None:
        pod = self._pods.get(key)
        if pod is None or is_being_deleted(pod):
            return
        for wanted in claims_for(pod):
            known = self._claims.get(key_of(wanted))
            if known is None:
                await self._create(pod, wanted)
            elif (controller_of(known) or {}).get("uid") != uid_of(pod):
                text = f'PVC "{name_of(wanted)}" was not created for pod "{name_of(pod)}" (pod is not owner)'
                self._events.warning(ref_of(pod), "ClaimConflict", text)
                raise Retry(text)

    async def _create(self, pod: JsonObject, claim: JsonObject) -> None:
        try:
            self._claims.observe(await self._client.create(PERSISTENT_VOLUME_CLAIM, claim))
        except AlreadyExists as error:
            raise Retry(f"the name {name_of(claim)} is taken") from error
        except ApiError as error:
            text = f"ephemeral volume controller: create PVC {name_of(claim)}: {error.message}"
            self._events.warning(ref_of(pod), "FailedCreate", text)
            raise
