"""Makes a pod's volumes and keeps those with data of the API (config maps, secrets, tokens, own fields) up to date."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import CONFIG_MAP, SECRET, SERVICE_ACCOUNT
from crossfade_local import namespaces
from crossfade_local.kubelet import environment
from crossfade_local.kubelet.data_files import DEFAULT_MODE, DataFile, write_atomically
from crossfade_local.kubelet.data_sources import config_map_data, secret_data
from crossfade_local.kubelet.environment import PodFacts
from crossfade_local.kubelet.ids import IdMap
from crossfade_local.kubelet.limits import pod_limits
from crossfade_local.kubelet.local_storage import is_on_disk
from crossfade_local.kubelet.protection import Protection
from crossfade_local.kubelet.rootfs import MachineView
from crossfade_local.namespaces import MS_NODEV, MS_NOSUID
from crossfade_local.pod_resources import amount

_DEFAULT_TOKEN_LIFE_S: Final = 3600
_TOKEN_MODE: Final = 0o600


class VolumeError(Exception):
    """The volume cannot be made now; the text goes into a FailedMount event and it is tried again."""


class Place(NamedTuple):
    """Where a volume lies; `of_machine` if that is no directory that the cluster made for it."""

    path: Path
    of_machine: bool = False


class PodVolumes:
    """The volumes of one pod below its directory."""

    def __init__(
        self,
        directory: Path,
        *,
        pod: JsonObject,
        client: Client,
        view: MachineView,
        ids: IdMap,
        claimed: Callable[[str], Awaitable[Place]],
    ) -> None:
        """`claimed` gives the directory of the claim of that name; it raises VolumeError.

        Secrets and tokens are written to the view's memory, never to a disk."""
        self._claimed = claimed
        self._directory = directory
        self._view = view
        self._ids = ids
        self._pod = pod
        self._client = client
        self._written: dict[str, tuple[DataFile, ...]] = {}
        self._token_due: dict[str, float] = {}
        self._tokens: dict[str, bytes] = {}
        self._in_memory: list[Path] = []

    async def prepare(self, facts: PodFacts) -> dict[str, Place]:
        """Where each volume lies, by name. Raises VolumeError."""
        places = {}
        for volume in self._pod["spec"].get("volumes") or ():
            places[volume["name"]] = await self._prepare_one(volume, facts)
        return places

    async def refresh(self, facts: PodFacts) -> None:
        """Rewrites data volumes whose content has changed; what is missing now keeps its last content."""
        for volume in self._pod["spec"].get("volumes") or ():
            if _data_source(volume):
                try:
                    await self._prepare_one(volume, facts)
                except VolumeError:
                    continue

    @property
    def next_token_due(self) -> float | None:
        """Loop time at which the first token wants renewal."""
        return min(self._token_due.values(), default=None)

    def on_disk(self) -> dict[str, Path]:
        """The directories of volumes of the kind emptyDir that take space on disk."""
        volumes = self._pod["spec"].get("volumes") or ()
        return {
            one["name"]: self._folder_for("emptyDir") / "emptyDir" / one["name"] for one in volumes if is_on_disk(one)
        }

    def remove(self) -> None:
        while self._in_memory:
            namespaces.unmount(str(self._in_memory.pop()))
        for source in ("emptyDir", "secret"):
            shutil.rmtree(self._folder_for(source), ignore_errors=True)

    def _folder_for(self, source: str) -> Path:
        if source not in _SECRET_SOURCES:
            return self._directory
        uid: str = self._pod["metadata"]["uid"]
        return self._view.memory / uid

    async def _prepare_one(self, volume: JsonObject, facts: PodFacts) -> Place:
        name = volume["name"]
        source = _data_source(volume)
        place: Path
        if source:
            files = tuple(await self._collect(name, source, volume[source], facts))
            place = self._folder_for(source) / source / name
            if self._written.get(name) != files:
                try:
                    write_atomically(place, files, group=self._group())
                except OSError as error:
                    raise VolumeError(f'volume "{name}": {error}') from error
                self._written[name] = files
            return Place(place)
        if "emptyDir" in volume:
            place = self._empty_directory(volume)
            # Also when it failed before.
            self._give_to_group(place)
            return Place(place)
        if "hostPath" in volume:
            return Place(await find_on_machine(volume["hostPath"], self._view.protection), of_machine=True)
        if (claim := _claim_of(volume, self._pod)) is not None:
            claimed = await self._claimed(claim)
            if not claimed.of_machine:
                self._give_to_group(claimed.path)
            return claimed
        kind = next((key for key in volume if key != "name"), "nothing")
        raise VolumeError(
            f'volume "{name}": {kind} volumes are not available in the embedded cluster; use emptyDir or a claim'
        )

    def _empty_directory(self, volume: JsonObject) -> Path:
        if not is_on_disk(volume):
            return self._memory_directory(volume)
        place: Path = self._directory / "emptyDir" / volume["name"]
        if not place.exists():
            place.mkdir(parents=True)
            place.chmod(0o777)
        return place

    def _memory_directory(self, volume: JsonObject) -> Path:
        """Full when its limit, or what all containers of the pod may have, is reached."""
        place: Path = self._folder_for("secret") / "emptyDir" / volume["name"]
        if place not in self._in_memory:
            limits = (memory_limit(volume), pod_limits(self._pod).memory)
            size = min((one for one in limits if one), default="100%")
            place.mkdir(parents=True, exist_ok=True)
            try:
                namespaces.mount(
                    "tmpfs", str(place), kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data=f"mode=777,size={size}"
                )
            except OSError as error:
                raise VolumeError(f'volume "{volume["name"]}": {error}') from error
            self._in_memory.append(place)
        return place

    def _give_to_group(self, place: Path) -> None:
        if (group := self._group()) is None:
            return
        try:
            os.chown(place, -1, group)
            place.chmod(0o2777)
        except OSError as error:
            raise VolumeError(f"fsGroup {group}: {error.strerror}") from error

    def _group(self) -> int | None:
        """None where all containers are one user: that one owns the volumes."""
        group = (self._pod["spec"].get("securityContext") or {}).get("fsGroup")
        if group is None or self._ids.is_single:
            return None
        if problem := self._ids.problem_with_group(int(group)):
            raise VolumeError(f"fsGroup: {problem}")
        return int(group)

    def _token_file(self, path: str, token: bytes, mode: int) -> DataFile:
        """For the user of all containers, if they have one, or for the pod's group, as in Kubernetes."""
        user = None if self._ids.is_single else common_user(self._pod["spec"])
        if user is not None and (problem := self._ids.problem_with_user(user)):
            raise VolumeError(f"runAsUser: {problem}")
        private = user is not None or self._group() is not None
        return DataFile(path, token, _TOKEN_MODE if private else mode, user or 0)

    async def _collect(self, name: str, kind: str, source: JsonObject, facts: PodFacts) -> list[DataFile]:
        if kind != "projected":
            return await self._files_of(name, kind, source, facts, mode=source.get("defaultMode", DEFAULT_MODE))
        files = []
        for index, part in enumerate(source.get("sources") or ()):
            part_kind = next(iter(part))
            mode = source.get("defaultMode", DEFAULT_MODE)
            files += await self._files_of(f"{name}/{index}", part_kind, part[part_kind], facts, mode=mode)
        return files

    async def _files_of(
        self, name: str, kind: str, source: JsonObject, facts: PodFacts, *, mode: int
    ) -> list[DataFile]:
        if kind == "serviceAccountToken":
            return [self._token_file(source["path"], await self._token(name, source), mode)]
        if kind == "downwardAPI":
            return [_downward_file(item, self._pod, facts, mode) for item in source.get("items") or ()]
        if kind not in _FETCH:
            raise VolumeError(f"projected source {kind} is not available in the embedded cluster")
        reference = source.get("secretName") or source.get("name") or ""
        data = await self._fetch(kind, reference, optional=bool(source.get("optional")))
        return select_items(data, source, mode=mode, name=f'{kind.lower()} "{reference}"')

    async def _fetch(self, kind: str, name: str, *, optional: bool) -> dict[str, bytes]:
        resource, decode = _FETCH[kind]
        namespace = self._pod["metadata"]["namespace"]
        try:
            return decode(await self._client.get(resource, name, namespace=namespace))
        except NotFound:
            if optional:
                return {}
            raise VolumeError(f'{kind.lower()} "{name}" not found') from None

    async def _token(self, name: str, source: JsonObject) -> bytes:
        """The current token, asked for anew once it has lived for 80 % of its time."""
        now = asyncio.get_running_loop().time()
        if name in self._tokens and now < self._token_due[name]:
            return self._tokens[name]
        metadata, spec = self._pod["metadata"], self._pod["spec"]
        life_s = int(source.get("expirationSeconds") or _DEFAULT_TOKEN_LIFE_S)
        request: JsonObject = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [source["audience"]] if source.get("audience") else [],
                "expirationSeconds": life_s,
                "boundObjectRef": {
                    "apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"],
                },
            },
        }  # fmt: skip
        try:
            answer = await self._client.create(
                SERVICE_ACCOUNT,
                request,
                namespace=metadata["namespace"],
                subresource_of=spec.get("serviceAccountName") or "default",
                subresource="token",
            )
        except NotFound as error:
            raise VolumeError(f"failed to fetch token: {error.message}") from error
        self._tokens[name] = answer["status"]["token"].encode()
        self._token_due[name] = now + 0.8 * life_s
        return self._tokens[name]


def common_user(spec: JsonObject) -> int | None:
    """The uid that every container of the pod, init containers too, is told to run as; None where that is not one."""
    default = (spec.get("securityContext") or {}).get("runAsUser")
    users = {(one.get("securityContext") or {}).get("runAsUser", default) for one in environment.all_containers(spec)}
    return users.pop() if len(users) == 1 else None


def select_items(data: dict[str, bytes], source: JsonObject, *, mode: int, name: str) -> list[DataFile]:
    """All keys, or those that `items` names at the paths it gives. Raises VolumeError for a missing key."""
    items = source.get("items")
    if not items:
        return [DataFile(key, value, mode) for key, value in sorted(data.items())]
    files = []
    for item in items:
        if item["key"] in data:
            files.append(DataFile(item["path"], data[item["key"]], item.get("mode", mode)))
        elif not source.get("optional"):
            raise VolumeError(f"{name} references non-existent key: {item['key']}")
    return files


async def find_on_machine(source: JsonObject, protection: Protection) -> Path:
    """A hostPath that pods may have; what they may not is neither looked at nor made. Raises VolumeError."""
    if protection.closes(Path(source["path"])):
        raise VolumeError(
            f"hostPath {source['path']} is closed to pods: there are files of the cluster itself, or sockets and "
            "processes of this machine; use another path"
        )
    return await protection.looking(lambda: host_path(source))


def host_path(source: JsonObject) -> Path:
    """Checks, and where the type says so makes, what is mounted from the machine. Raises VolumeError."""
    path, kind = Path(source["path"]), source.get("type") or ""
    try:
        if kind == "DirectoryOrCreate":
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        elif kind == "FileOrCreate":
            path.touch(mode=0o644)
    except OSError as error:
        raise VolumeError(f"hostPath {path}: {error.strerror}") from error
    check: Callable[[Path], bool] = _HOST_PATH_CHECKS.get(kind, Path.exists)
    if not check(path):
        raise VolumeError(f"hostPath type check failed: {path} is not a {kind or 'path that exists'}")
    return path


def _downward_file(item: JsonObject, pod: JsonObject, facts: PodFacts, mode: int) -> DataFile:
    try:
        if reference := item.get("fieldRef"):
            value = environment.field_value(reference["fieldPath"], facts)
        else:
            reference = item["resourceFieldRef"]
            wanted = reference.get("containerName")
            owner: JsonObject = next((one for one in pod["spec"]["containers"] if one["name"] == wanted), {})
            value = environment.resource_value(reference, owner)
    except environment.ConfigError as error:
        raise VolumeError(str(error)) from error
    return DataFile(item["path"], value.encode(), item.get("mode", mode))


def _data_source(volume: JsonObject) -> str | None:
    return next((kind for kind in ("configMap", "secret", "projected", "downwardAPI") if kind in volume), None)


def memory_limit(volume: JsonObject) -> int:
    """The `sizeLimit` of an emptyDir in whole bytes; 0 for none."""
    return int(amount((volume.get("emptyDir") or {}).get("sizeLimit") or 0))


def _claim_of(volume: JsonObject, pod: JsonObject) -> str | None:
    """The name of the claim behind the volume, if it is of that kind."""
    if claim := volume.get("persistentVolumeClaim"):
        return str(claim.get("claimName") or "")
    return f"{pod['metadata']['name']}-{volume['name']}" if "ephemeral" in volume else None


_SECRET_SOURCES: Final = frozenset({"secret", "projected"})
_FETCH: Final = {"configMap": (CONFIG_MAP, config_map_data), "secret": (SECRET, secret_data)}
_HOST_PATH_CHECKS: Final[dict[str, Callable[[Path], bool]]] = {
    "Directory": Path.is_dir,
    "DirectoryOrCreate": Path.is_dir,
    "File": Path.is_file,
    "FileOrCreate": Path.is_file,
    "Socket": Path.is_socket,
    "CharDevice": Path.is_char_device,
    "BlockDevice": Path.is_block_device,
}
