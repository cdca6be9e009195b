"""The mesh controller's webhook handlers: look up what a decision needs, decide, answer."""

from collections.abc import Callable
from typing import Final

from crossfade.admission.appmesh_defaults import Surroundings, default_member, default_mesh
from crossfade.admission.appmesh_rules import check_object
from crossfade.admission.appmesh_uses import check_unused, needed_object
from crossfade.admission.review import AdmissionAnswer, AdmissionRequest, Denied
from crossfade.admission.server import Handler
from crossfade.api.appmesh import Mesh, VirtualGateway, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.mesh.membership import Refusal, choose_mesh
from crossfade.compile.mesh.names import gateway_path, node_path
from crossfade.controller.mesh.objects import MeshObjects
from crossfade.inject.decision import Candidates, Decision, InjectionDenied, Untouched, decide
from crossfade.inject.mesh_native import mesh_native_patch, wants_mesh_native
from crossfade.inject.patch import gateway_patch, sidecar_patch
from crossfade.inject.settings import SidecarSettings
from crossfade.install.mesh_names import ADMITTED, POD_PATH, mutating_path, validating_path
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import JsonObject

_MESH: Final = "mesh"


def mesh_handlers(
    objects: MeshObjects, *, ip_family: str, sidecar: Callable[[], SidecarSettings]
) -> dict[str, Handler]:
    """By path. `sidecar` is asked for each pod, since the authority in it may be renewed."""

    async def mutate_mesh(request: AdmissionRequest) -> AdmissionAnswer:
        is_create = request.operation == "CREATE"
        return AdmissionAnswer(patch=default_mesh(request.object, ip_family=ip_family, is_create=is_create))

    async def mutate_member(request: AdmissionRequest) -> AdmissionAnswer:
        if request.operation != "CREATE":
            return AdmissionAnswer()
        return AdmissionAnswer(patch=await _defaults(request, objects))

    async def validate(request: AdmissionRequest) -> AdmissionAnswer:
        if request.operation == "DELETE":
            await _check_deletion(request, objects)
        else:
            check_object(request)
        return AdmissionAnswer()

    async def mutate_pod(request: AdmissionRequest) -> AdmissionAnswer:
        try:
            return AdmissionAnswer(patch=await _injection(request, objects, sidecar()))
        except InjectionDenied as denial:
            raise Denied(str(denial)) from denial

    handlers: dict[str, Handler] = {POD_PATH: mutate_pod}
    for kind in ADMITTED:
        handlers[mutating_path(kind)] = mutate_mesh if kind == _MESH else mutate_member
        handlers[validating_path(kind)] = validate
    return handlers


async def _check_deletion(request: AdmissionRequest, objects: MeshObjects) -> None:
    """A namespace that goes takes all along, whatever refers to what."""
    wanted = needed_object(request)
    if wanted is None:
        return
    try:
        check_unused(wanted, objects.known)
    except Denied:
        if not await objects.namespace_goes(request.namespace):
            check_unused(wanted, await objects.fresh(None, Mesh, VirtualRouter, VirtualService))


async def _defaults(request: AdmissionRequest, objects: MeshObjects) -> list[JsonObject]:
    labels = await objects.namespace_labels(request.namespace)
    try:
        return default_member(request, _surroundings(labels, objects.known))
    except Denied:
        return default_member(request, _surroundings(labels, await objects.fresh(None, Mesh, VirtualGateway)))


def _surroundings(labels: dict[str, str], snapshot: Snapshot) -> Surroundings:
    return Surroundings(labels, snapshot.all(Mesh), snapshot.all(VirtualGateway))


async def _injection(request: AdmissionRequest, objects: MeshObjects, settings: SidecarSettings) -> list[JsonObject]:
    labels = await objects.namespace_labels(request.namespace)
    snapshot = objects.known
    try:
        found = _decision(request, labels, snapshot)
    except InjectionDenied:
        found = None
    if found in (None, Untouched.UNTOUCHED):
        snapshot = await objects.fresh(request.namespace, Mesh, VirtualNode, VirtualGateway)
        found = _decision(request, labels, snapshot)
    if isinstance(found, VirtualNode):
        mesh = _mesh_of(found, labels, snapshot)
        path = node_path(mesh, found.aws_name)
        if wants_mesh_native(request.object):
            return mesh_native_patch(request.object, resource_path=path, settings=settings)
        return sidecar_patch(request.object, found, resource_path=path, settings=settings)
    if isinstance(found, VirtualGateway):
        path = gateway_path(_mesh_of(found, labels, snapshot), found.aws_name)
        return gateway_patch(request.object, resource_path=path, settings=settings)
    return []


def _decision(request: AdmissionRequest, labels: dict[str, str], snapshot: Snapshot) -> Decision:
    namespace = request.namespace
    candidates = Candidates(
        nodes=[node for node in snapshot.all(VirtualNode) if node.metadata.namespace == namespace],
        gateways=[gateway for gateway in snapshot.all(VirtualGateway) if gateway.metadata.namespace == namespace],
    )
    return decide(request.object, namespace, namespace_labels=labels, candidates=candidates)


def _mesh_of(member: VirtualNode | VirtualGateway, labels: dict[str, str], snapshot: Snapshot) -> str:
    """The mesh's awsName; objects that never passed admission belong where their namespace does."""
    reference = member.spec.mesh_ref
    if reference is not None:
        mesh = snapshot.get(Mesh, "", reference.name)
        return mesh.aws_name if mesh else reference.name
    chosen = choose_mesh(snapshot.all(Mesh), member.metadata.namespace, labels)
    if isinstance(chosen, Refusal):
        raise Denied(chosen.reason)
    return chosen.aws_name
