"""Where the volume behind a claim lies on this node."""

import asyncio
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import NODE, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM
from crossfade_local.kubelet.rootfs import MachineView
from crossfade_local.kubelet.volumes import Place, VolumeError, find_on_machine
from crossfade_local.local_volumes import DRIVER, LocalVolumes
from crossfade_local.scheduling.selectors import REQUIRED, node_matches

# A claim that waits for its first pod is bound within the first of these; what takes longer is told as an Event.
_PATIENCE_S: Final = (0.02, 0.05, 0.1, 0.2, 0.4)


class ClaimedVolumes:
    """Finds the directories of one pod's claims; `local` are the volumes that the cluster makes itself."""

    def __init__(self, client: Client, local: LocalVolumes, view: MachineView) -> None:
        self._client = client
        self._view = view
        self._local = local

    async def path(self, namespace: str, name: str, *, node: str) -> Place:
        """On the node of that name. Raises VolumeError, also while the claim is not bound."""
        claim = await self._bound_claim(namespace, name)
        volume_name = claim["spec"]["volumeName"]
        try:
            volume = await self._client.get(PERSISTENT_VOLUME, volume_name)
        except NotFound:
            raise VolumeError(f'persistentvolume "{volume_name}" not found') from None
        await self._check_node(volume, node)
        return await self._place(volume)

    async def _bound_claim(self, namespace: str, name: str) -> JsonObject:
        for pause_s in (*_PATIENCE_S, None):
            try:
                claim = await self._client.get(PERSISTENT_VOLUME_CLAIM, name, namespace=namespace)
            except NotFound:
                raise VolumeError(f'persistentvolumeclaim "{name}" not found') from None
            if (claim.get("status") or {}).get("phase") == "Bound":
                return claim
            if pause_s is None or (claim.get("status") or {}).get("phase") == "Lost":
                break
            await asyncio.sleep(pause_s)
        raise VolumeError(f'pod has unbound PersistentVolumeClaim "{name}"; `kubectl describe pvc {name}` tells why')

    async def _check_node(self, volume: JsonObject, name: str) -> None:
        """A volume may say on which nodes it lies; those that are made here lie here."""
        spec = volume["spec"]
        required = (spec.get("nodeAffinity") or {}).get("required")
        if not required or (spec.get("csi") or {}).get("driver") == DRIVER:
            return
        node = await self._client.get(NODE, name)
        wanted = {"affinity": {"nodeAffinity": {REQUIRED: required}}}
        if not node_matches(wanted, node["metadata"].get("labels") or {}, name):
            raise VolumeError(
                f'persistentvolume "{volume["metadata"]["name"]}" is not for this node by its nodeAffinity'
            )

    async def _place(self, volume: JsonObject) -> Place:
        name, spec = volume["metadata"]["name"], volume["spec"]
        if spec.get("volumeMode") == "Block":
            raise VolumeError(f'persistentvolume "{name}": block volumes are not available in the embedded cluster')
        if (source := spec.get("csi")) and source.get("driver") == DRIVER:
            try:
                return Place(await asyncio.to_thread(self._local.make, source.get("volumeHandle") or ""))
            except (OSError, ValueError) as error:
                raise VolumeError(f'persistentvolume "{name}": {error}') from error
        if source := spec.get("hostPath"):
            return await self._on_machine(source)
        if source := spec.get("local"):
            return await self._on_machine({"path": source["path"], "type": "Directory"})
        raise VolumeError(
            f'persistentvolume "{name}": only hostPath, local and volumes of {DRIVER} are available in the embedded '
            "cluster"
        )

    async def _on_machine(self, source: JsonObject) -> Place:
        return Place(await find_on_machine(source, self._view.protection), of_machine=True)
