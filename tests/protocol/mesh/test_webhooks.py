"""Decisions of the webhooks while the controller's own view is still behind the API server's."""

from typing import Any

import pytest

from crossfade.admission.review import AdmissionRequest, Denied
from crossfade.api.appmesh import Mesh, VirtualNode, VirtualRouter
from crossfade.controller.mesh.objects import MeshObjects
from crossfade.controller.mesh.webhooks import mesh_handlers
from crossfade.inject.settings import SidecarSettings
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import decode
from crossfade_kube.resources import NAMESPACE
from tests.protocol.mesh.conftest import Lab
from tests.protocol.mesh.test_control_plane import make

Json = dict[str, Any]
LABELS = {"mesh": "rock", "appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"}
SETTINGS = SidecarSettings("proxy:1", "init:1", "ads:18000", "PEM", "1")


@pytest.fixture
async def handlers(lab: Lab) -> Any:
    """Know nothing but what they ask for."""
    objects = MeshObjects(lab.admin, lambda: Snapshot(0, {}))
    return mesh_handlers(objects, ip_family="ipv4", sidecar=lambda: SETTINGS)


async def test_objects_that_were_made_a_moment_ago_count(lab: Lab, handlers: Any) -> None:
    metadata = {"name": "rock", "labels": LABELS}
    await lab.admin.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    async def admitted() -> dict[str, Any]:
        obj = {"metadata": {"name": "metal", "namespace": "rock"}, "spec": {}}
        request = AdmissionRequest("u", "VirtualNode", "CREATE", "rock", "metal", obj)
        answer = await handlers["/mutate-appmesh-k8s-aws-v1beta2-virtualnode"](request)
        return {operation["path"]: operation["value"] for operation in answer.patch}

    async def injected() -> list[str]:
        obj = {
            "metadata": {"generateName": "metal-", "labels": {"app": "metal"}},
            "spec": {"containers": [{"name": "app"}]},
        }
        answer = await handlers["/mutate-v1-pod"](AdmissionRequest("u", "Pod", "CREATE", "rock", "", obj))
        return [operation["path"] for operation in answer.patch]

    with pytest.raises(Denied, match="expecting 1 but found 0"):
        await admitted()
    await make(lab, Mesh, "rock", {"namespaceSelector": {"matchLabels": {"mesh": "rock"}}})
    patch = await admitted()
    assert patch["/spec/awsName"] == "metal_rock"
    assert patch["/spec/meshRef"]["name"] == "rock"
    with pytest.raises(Denied, match="no matching VirtualNode"):
        await injected()
    await make(lab, VirtualNode, "metal", {"podSelector": {"matchLabels": {"app": "metal"}}}, "rock")
    assert "/spec/initContainers" in await injected()


async def test_labels_are_never_remembered(lab: Lab, handlers: Any) -> None:
    metadata = {"name": "quiet", "labels": {"appmesh.k8s.aws/sidecarInjectorWebhook": "disabled"}}
    await lab.admin.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    request = AdmissionRequest("u", "Pod", "CREATE", "quiet", "p", {"metadata": {}, "spec": {"containers": []}})
    assert (await handlers["/mutate-v1-pod"](request)).patch == []
    changed = {"metadata": {"labels": {"appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"}}}
    await lab.admin.patch(NAMESPACE, "quiet", changed)
    with pytest.raises(Denied):
        await handlers["/mutate-v1-pod"](request)


async def test_what_is_in_use_is_kept_until_its_user_or_its_namespace_goes(lab: Lab) -> None:
    await lab.admin.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "jazz"}})
    targets = [{"virtualNodeRef": {"name": "e1"}, "weight": 1}]
    routes = [{"name": "r", "httpRoute": {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}]
    known = Snapshot.of(
        [decode(await make(lab, VirtualRouter, name, {"routes": routes}, "jazz"), VirtualRouter) for name in "ab"]
    )
    handlers = mesh_handlers(MeshObjects(lab.admin, lambda: known), ip_family="ipv4", sidecar=lambda: SETTINGS)

    async def delete(name: str) -> None:
        obj = {"metadata": {"name": name, "namespace": "jazz"}, "spec": {}}
        request = AdmissionRequest("u", "VirtualNode", "DELETE", "jazz", name, {}, obj)
        await handlers["/validate-appmesh-k8s-aws-v1beta2-virtualnode"](request)

    await delete("e2")
    with pytest.raises(Denied, match=r"VirtualNode jazz/e1 is in use by VirtualRouter jazz/a .*, VirtualRouter jazz/b"):
        await delete("e1")
    await lab.admin.delete(VirtualRouter.RESOURCE, "a", namespace="jazz")
    # The controller's own view has both still.
    with pytest.raises(Denied, match="in use by VirtualRouter jazz/b "):
        await delete("e1")
    await lab.admin.delete(NAMESPACE, "jazz")
    await delete("e1")
