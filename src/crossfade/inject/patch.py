"""The JSON Patch that makes a pod a member of the mesh; applying it twice changes nothing (appmesh.md §4.2, §4.5)."""

from typing import Any, Final

from crossfade.api.appmesh import VirtualNode
from crossfade.compile.mesh.sidecars import PROXY_LABEL, SIDECAR_ANNOTATION, sidecar_text
from crossfade.inject.annotations import SIDECAR_KEY, PodWishes, wishes_from_annotations
from crossfade.inject.decision import MODE_KEY, InjectionDenied
from crossfade.inject.envoy_container import (
    ENVOY_NAME,
    TOKEN_VOLUME,
    environment,
    envoy_container,
    readiness_probe,
    sds_socket,
    token_mount,
    token_volume,
    with_wishes,
)
from crossfade.inject.lifecycle import classic_lifecycle, native_lifecycle
from crossfade.inject.probes import MovedProbes, moved_probes
from crossfade.inject.proxy_init import INIT_NAME, captured_ports, cni_annotations, init_container
from crossfade.inject.sds import VOLUME as SDS_VOLUME
from crossfade.inject.sds import sds_mount, sds_variable, sds_volume
from crossfade.inject.settings import PROXY_UID, NativeSidecars, SidecarSettings
from crossfade_kube.meta import JsonObject

_ECR_SECRET: Final = "appmesh-ecr-secret"  # noqa: S105 - the name of a Secret
_FARGATE_LABEL: Final = "eks.amazonaws.com/fargate-profile"
# Kong's charts label their pods so. Who lists the containers of a gateway looks for `envoy` among them, as the tutorial
# does; and a gateway listens until its end, so that a sidecar of the classic kind knows how long it is needed.
_NAME_LABEL, _KONG = "app.kubernetes.io/name", "kong"


def sidecar_patch(
    pod: JsonObject, node: VirtualNode, *, resource_path: str, settings: SidecarSettings
) -> list[JsonObject]:
    """For a pod of a virtual node; raises InjectionDenied where it cannot have a sidecar."""
    wishes = wishes_from_annotations(pod["metadata"].get("annotations") or {})
    spec: dict[str, Any] = pod["spec"]
    if spec.get("hostNetwork"):
        raise InjectionDenied(
            "a pod on the host's network cannot have a sidecar, which would capture the traffic of the whole node: "
            f'annotate it with {MODE_KEY}: "disabled" or take it out of hostNetwork'
        )
    patch: list[JsonObject] = []
    probes = MovedProbes((), [])
    initial: list[JsonObject] = []
    told = {SIDECAR_ANNOTATION: sidecar_text(resource_path, captured_ports(node, wishes))}
    if _uses_cni(pod, wishes):
        patch += _annotate(pod, {**told, **cni_annotations(node, wishes, settings)})
    elif not _has(spec, "initContainers", INIT_NAME):
        patch += _annotate(pod, told)
        initial.append(init_container(node, wishes, settings))
    if not _has(spec, "containers", ENVOY_NAME) and not _has(spec, "initContainers", ENVOY_NAME):
        probes = moved_probes(spec, captured_ports(node, wishes))
        is_native = _is_native(pod, wishes, settings)
        lifecycle = native_lifecycle(settings) if is_native else classic_lifecycle(settings, spec)
        container = envoy_container(resource_path, wishes, settings, lifecycle=lifecycle, probes=probes.ports)
        if is_native:
            initial.append(container)
        else:
            place = "0" if settings.waits_until_ready else "-"
            patch.append({"op": "add", "path": f"/spec/containers/{place}", "value": container})
        patch += _add_volumes(spec, wishes, sds_socket(wishes, settings))
    return [
        *probes.patch,
        *_label(pod, "sidecar"),
        *patch,
        *_append("/spec/initContainers", spec.get("initContainers"), initial),
        *_of_pod(spec, settings),
    ]


def _is_native(pod: JsonObject, wishes: PodWishes, settings: SidecarSettings) -> bool:
    if wishes.wants_native and not settings.has_native_sidecars:
        raise InjectionDenied(
            f"annotation {SIDECAR_KEY}: this cluster has no native sidecars, which came with Kubernetes 1.29: "
            "take the annotation away or write classic"
        )
    if wishes.wants_native is not None:
        return wishes.wants_native
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    if settings.native is NativeSidecars.AUTO and labels.get(_NAME_LABEL) == _KONG:
        return False
    return settings.has_native_sidecars and settings.native is not NativeSidecars.NEVER


def gateway_patch(pod: JsonObject, *, resource_path: str, settings: SidecarSettings) -> list[JsonObject]:
    """For a pod of a virtual gateway, which brings its own `envoy` container; without one it is left alone."""
    wishes = wishes_from_annotations(pod["metadata"].get("annotations") or {})
    containers: list[JsonObject] = pod["spec"].get("containers") or []
    index = next((i for i, container in enumerate(containers) if container["name"] == ENVOY_NAME), None)
    if index is None:
        return []
    container = containers[index]
    own: list[JsonObject] = container.get("env") or []
    mounts: list[JsonObject] = container.get("volumeMounts") or []
    socket = sds_socket(wishes, settings)
    sockets = [sds_variable(socket)] if socket else []
    ours = with_wishes([*environment(resource_path, settings), *sockets], wishes)
    taken = {entry["name"] for entry in ours}
    changed = {
        **container,
        "image": container.get("image") if wishes.keeps_gateway_image else settings.proxy_image,
        "env": [*(entry for entry in own if entry["name"] not in taken), *ours],
        "readinessProbe": container.get("readinessProbe") or readiness_probe(settings),
        "volumeMounts": [
            *(mount for mount in mounts if mount["name"] not in (TOKEN_VOLUME, SDS_VOLUME)),
            token_mount(),
            *([sds_mount(socket)] if socket else []),
        ],
    }
    label = _label(pod, "gateway")
    if changed == container:
        return label
    replaced = {"op": "replace", "path": f"/spec/containers/{index}", "value": changed}
    return [*label, replaced, *_add_volumes(pod["spec"], PodWishes(), socket), *_of_pod(pod["spec"], settings)]


def _uses_cni(pod: JsonObject, wishes: PodWishes) -> bool:
    return wishes.uses_cni or _FARGATE_LABEL in (pod["metadata"].get("labels") or {})


def _has(spec: dict[str, Any], field: str, name: str) -> bool:
    return any(container["name"] == name for container in spec.get(field) or [])


def _append(path: str, existing: list[Any] | None, values: list[JsonObject]) -> list[JsonObject]:
    if existing:
        return [{"op": "add", "path": f"{path}/-", "value": value} for value in values]
    return [{"op": "add", "path": path, "value": values}] if values else []


def _annotate(pod: JsonObject, added: dict[str, str]) -> list[JsonObject]:
    annotations = {**(pod["metadata"].get("annotations") or {}), **added}
    return [{"op": "add", "path": "/metadata/annotations", "value": annotations}]


def _label(pod: JsonObject, value: str) -> list[JsonObject]:
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    if labels.get(PROXY_LABEL) == value:
        return []
    return [{"op": "add", "path": "/metadata/labels", "value": {**labels, PROXY_LABEL: value}}]


def _add_volumes(spec: dict[str, Any], wishes: PodWishes, sds_path: str) -> list[JsonObject]:
    volumes: list[JsonObject] = spec.get("volumes") or []
    known = {volume["name"] for volume in volumes}
    secrets = dict.fromkeys(mount.source for mount in wishes.secret_mounts)
    sockets = [sds_volume(sds_path)] if sds_path else []
    wanted = [token_volume(), *sockets, *({"name": name, "secret": {"secretName": name}} for name in secrets)]
    added = [volume for volume in wanted if volume["name"] not in known]
    return [{"op": "add", "path": "/spec/volumes", "value": [*volumes, *added]}] if added else []


def _of_pod(spec: dict[str, Any], settings: SidecarSettings) -> list[JsonObject]:
    """The sidecar's user must be able to read the pod's service-account token, the kubelet to pull its image."""
    patch: list[JsonObject] = []
    context: dict[str, Any] = spec.get("securityContext") or {}
    if settings.sets_group and context.get("fsGroup") is None:
        patch.append({"op": "add", "path": "/spec/securityContext", "value": {**context, "fsGroup": PROXY_UID}})
    secrets: list[JsonObject] = spec.get("imagePullSecrets") or []
    if settings.uses_ecr_secret and {"name": _ECR_SECRET} not in secrets:
        patch.append({"op": "add", "path": "/spec/imagePullSecrets", "value": [*secrets, {"name": _ECR_SECRET}]})
    return patch
