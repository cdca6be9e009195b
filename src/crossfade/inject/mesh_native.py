"""A gateway's pod that wants no sidecar: its own proxy does what the sidecar would (`crossfade.dev/mesh-native`).

The gateway's controller is told which virtual node it is, as a sidecar is; it compiles the rest by itself. Only for its
identity the proxy turns to the mesh's controller, by a token of its pod as a sidecar does.
"""

from typing import Any, Final

from crossfade.inject.annotations import PodWishes, wishes_from_annotations
from crossfade.inject.decision import InjectionDenied
from crossfade.inject.envoy_container import control_plane, sds_socket, token_mount, token_volume
from crossfade.inject.sds import sds_mount, sds_variable, sds_volume
from crossfade.inject.settings import SidecarSettings
from crossfade_kube.meta import JsonObject

KEY: Final = "crossfade.dev/mesh-native"
NODE_VARIABLE: Final = "APPMESH_VIRTUAL_NODE_NAME"
CONTROLLER: Final = "ingress-controller"
PROXY: Final = "proxy"
_IDENTITIES: Final = {"name": "CROSSFADE_MESH_IDENTITIES", "value": "enabled"}
_VALUES: Final = {"true": True, "false": False}


def wants_mesh_native(pod: JsonObject) -> bool:
    """Raises InjectionDenied."""
    annotations: dict[str, str] = pod["metadata"].get("annotations") or {}
    text = annotations.get(KEY, "false")
    wants = _VALUES.get(text.strip().lower())
    if wants is None:
        raise InjectionDenied(f"malformed annotation {KEY}, expected format: {' or '.join(_VALUES)}")
    return wants


def mesh_native_patch(pod: JsonObject, *, resource_path: str, settings: SidecarSettings) -> list[JsonObject]:
    """Raises InjectionDenied for a pod that is no gateway's."""
    wishes = wishes_from_annotations(pod["metadata"].get("annotations") or {})
    containers: list[JsonObject] = pod["spec"].get("containers") or []
    names = [container["name"] for container in containers]
    if missing := [name for name in (CONTROLLER, PROXY) if name not in names]:
        raise InjectionDenied(
            f"annotation {KEY} is for pods of a gateway, and this one has no container {' and '.join(missing)}: "
            "take the annotation away, or install the gateway with `crossfade install gateway --mesh-native`"
        )
    socket = sds_socket(wishes, settings)
    node = {"name": NODE_VARIABLE, "value": resource_path}
    of_mesh = [{"name": name, "value": value} for name, value in control_plane("CROSSFADE_MESH", settings).items()]
    mounts = [
        token_mount(),
        *({"name": mount.source, "mountPath": mount.path, "readOnly": True} for mount in wishes.secret_mounts),
        *({"name": mount.source, "mountPath": mount.path, "readOnly": True} for mount in wishes.volume_mounts),
        *([sds_mount(socket)] if socket else []),
    ]
    wanted = {
        CONTROLLER: ([node, _IDENTITIES], []),
        PROXY: ([node, *of_mesh, *([sds_variable(socket)] if socket else [])], mounts),
    }
    patch: list[JsonObject] = []
    for index, container in enumerate(containers):
        env, own_mounts = wanted.get(container["name"], ([], []))
        changed = _with(_with(container, "env", env), "volumeMounts", own_mounts)
        if changed != container:
            patch.append({"op": "replace", "path": f"/spec/containers/{index}", "value": changed})
    return [*patch, *_add_volumes(pod["spec"], wishes, socket)]


def _with(container: JsonObject, field: str, added: list[JsonObject]) -> JsonObject:
    """In place of entries of the same names, so that another call changes nothing."""
    if not added:
        return container
    names = {entry["name"] for entry in added}
    kept = [entry for entry in container.get(field) or [] if entry["name"] not in names]
    return {**container, field: [*kept, *added]}


def _add_volumes(spec: dict[str, Any], wishes: PodWishes, socket: str) -> list[JsonObject]:
    volumes: list[JsonObject] = spec.get("volumes") or []
    known = {volume["name"] for volume in volumes}
    secrets = dict.fromkeys(mount.source for mount in wishes.secret_mounts)
    wanted = [
        token_volume(),
        *({"name": name, "secret": {"secretName": name}} for name in secrets),
        *([sds_volume(socket)] if socket else []),
    ]
    added = [volume for volume in wanted if volume["name"] not in known]
    return [{"op": "add", "path": "/spec/volumes", "value": [*volumes, *added]}] if added else []
