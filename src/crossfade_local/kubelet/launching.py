"""Everything between a container's spec and its program: image, environment, identity, file system."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local import namespaces
from crossfade_local.catalogue import Catalogue, CatalogueError, Image, User, user_of
from crossfade_local.cgroups import Group
from crossfade_local.kubelet import environment
from crossfade_local.kubelet.environment import DataSources, PodFacts
from crossfade_local.kubelet.ids import IdMap
from crossfade_local.kubelet.limits import container_limits, pod_limits
from crossfade_local.kubelet.privileges import SHARED_USER_CAPABILITIES, Identity
from crossfade_local.kubelet.process import Launch
from crossfade_local.kubelet.rootfs import TERMINATION_LOG, MachineView
from crossfade_local.kubelet.status import State, Terminated, Waiting, now_text
from crossfade_local.kubelet.volume_mounts import PROGRAMS, Mount
from crossfade_local.kubelet.volumes import Place
from crossfade_local.namespaces import Namespaces

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TERMINATION_MODE: Final = 0o666
_NEVER_STARTED: Final = 128


@dataclass(frozen=True, kw_only=True)
class PodContext:
    """What the containers of a pod share."""

    pod: JsonObject
    facts: PodFacts
    sources: DataSources
    volumes: Mapping[str, Place]
    files: dict[str, str]
    sandbox: Namespaces
    machine: MachineView
    catalogue: Catalogue
    base_env: Mapping[str, str]
    service_env: Callable[[], Mapping[str, str]]
    """Of the Services that exist now; over the image's, under the container's own."""
    env_by_uid: Mapping[int, Mapping[str, str]]
    logs: Path
    ids: IdMap
    group: Group | None
    """The pod's control group, if any of its containers is to be kept within limits."""
    record: Callable[[str, str, str], None]
    """Event type, reason, message."""
    changed: Callable[[], None]


class CannotStartError(Exception):
    """`reason` is that of the waiting (or, for StartError, terminated) state."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def failed_start(error: CannotStartError, *, image: str, former: State) -> tuple[State, str]:
    """The container's state after it, and the message of its Event."""
    if error.reason == "StartError":
        now = now_text()
        return Terminated(_NEVER_STARTED, error.reason, now, now, str(error)), f"Error: {error}"
    if error.reason != "ErrImagePull":
        return Waiting(error.reason, str(error)), f"Error: {error}"
    repeated = isinstance(former, Waiting) and former.reason in ("ErrImagePull", "ImagePullBackOff")
    state = Waiting("ImagePullBackOff" if repeated else error.reason, str(error))
    return state, f'Failed to pull image "{image}": {error}'


def find_image(reference: str, catalogue: Catalogue) -> tuple[Image, User]:
    """Raises CannotStartError with what to add to the catalogue or to change in it."""
    try:
        image = catalogue.find(reference)
        if image is None:
            raise CannotStartError("ErrImagePull", catalogue.how_to_add(reference))
        return image, user_of(image)
    except CatalogueError as error:
        raise CannotStartError("ErrImagePull", str(error)) from error


def plan_launch(spec: JsonObject, image: Image, user: User, context: PodContext) -> Launch:
    """Raises CannotStartError where the spec names what does not exist."""
    try:
        base = {**context.base_env, **image.env, **context.service_env()}
        if any("/" not in name for name in image.programs):
            base["PATH"] = f"{PROGRAMS}:{base.get('PATH') or DEFAULT_PATH}"
        env = environment.build_env(spec, base=base, facts=context.facts, sources=context.sources)
        command = environment.build_command(spec, image, env)
        identity = environment.build_identity(spec, context.pod["spec"], user)
    except environment.ConfigError as error:
        raise CannotStartError("CreateContainerConfigError", str(error)) from error
    env = {**context.env_by_uid.get(identity.uid or 0, {}), **env}
    env.setdefault("HOME", "/root" if identity.uid == 0 else "/")
    if context.ids.is_single:
        identity = _of_shared_user(identity)
    elif problem := context.ids.problem(identity):
        raise CannotStartError("CreateContainerConfigError", problem)
    return Launch(command.argv, env, command.workdir, identity)


def _of_shared_user(identity: Identity) -> Identity:
    return identity._replace(uid=None, capabilities=identity.capabilities | SHARED_USER_CAPABILITIES)


async def enter_root(
    spec: JsonObject, image: Image, launch: Launch, context: PodContext, *, termination_log: Path
) -> Namespaces:
    """The pod's namespaces and a mount namespace of the container's own. Raises CannotStartError."""
    mounts = [_mount(one, launch, context) for one in spec.get("volumeMounts") or ()]
    _make_empty(termination_log)
    mounts.append(Mount(termination_log, spec.get("terminationMessagePath") or TERMINATION_LOG))

    read_only = bool((spec.get("securityContext") or {}).get("readOnlyRootFilesystem"))

    def enter() -> int:
        namespaces.enter(context.sandbox)
        return context.machine.enter_new_root(
            mounts=mounts, files=context.files, programs=image.programs, read_only=read_only
        )

    try:
        mount = await namespaces.on_fresh_thread(enter, name=f"root of {spec['name']}")
    except OSError as error:
        raise CannotStartError("CreateContainerError", f"file system of container {spec['name']}: {error}") from error
    return context.sandbox._replace(mount=mount)


def limit_pod(context: PodContext) -> None:
    """Once more, since a resize may have had to leave it open. Raises CannotStartError."""
    try:
        if context.group is not None:
            context.group.limit(pod_limits(context.pod))
    except OSError as error:
        raise CannotStartError("CreateContainerError", f"control group of the pod: {error}") from error


def enter_group(spec: JsonObject, context: PodContext, *, run: int) -> Group | None:
    """A control group for one run of the container, so that what it counts is of that run. Raises CannotStartError."""
    if context.group is None:
        return None
    group = context.group.child(f"{spec['name']}-{run}")
    try:
        group.make()
        group.limit(container_limits(spec))
    except OSError as error:
        raise CannotStartError("CreateContainerError", f"control group of container {spec['name']}: {error}") from error
    return group


def _make_empty(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"")
    file.chmod(_TERMINATION_MODE)


def _mount(spec: JsonObject, launch: Launch, context: PodContext) -> Mount:
    volume = context.volumes.get(spec["name"])
    if volume is None:
        raise CannotStartError("CreateContainerConfigError", f'no volume named "{spec["name"]}"')
    inner = spec.get("subPath") or environment.expand(spec.get("subPathExpr") or "", launch.env)
    if ".." in Path(inner).parts or Path(inner).is_absolute():
        raise CannotStartError("CreateContainerConfigError", f'subPath "{inner}" leads out of volume {spec["name"]}')
    read_only = bool(spec.get("readOnly")) or _is_read_only(spec["name"], context.pod)
    return Mount(volume.path, spec["mountPath"], read_only, inner, volume.of_machine)


def _is_read_only(volume_name: str, pod: JsonObject) -> bool:
    """The pod itself takes the claim for reading only."""
    for volume in pod["spec"].get("volumes") or ():
        if volume["name"] == volume_name:
            return bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
    return False
