from typing import Any

import pytest

from crossfade.admission.appmesh_defaults import Surroundings, default_member, default_mesh
from crossfade.admission.review import AdmissionRequest, Denied
from crossfade.api.appmesh import Mesh, VirtualGateway
from crossfade.api.appmesh.mesh import MeshSpec
from crossfade.api.appmesh.values import MeshReference
from crossfade.api.appmesh.virtual_gateway import VirtualGatewaySpec
from crossfade_kube.meta import LabelSelector, ObjectMeta

LABELS = {"mesh": "dj-app"}


def mesh(name: str = "dj-app", *, deleted: bool = False, selector: LabelSelector | None = None) -> Mesh:
    meta = ObjectMeta(name=name, uid=f"uid-{name}", deletion_timestamp="2026-01-01T00:00:00Z" if deleted else None)
    return Mesh(meta, MeshSpec(namespace_selector=selector or LabelSelector({"mesh": "dj-app"})))


def gateway(name: str, mesh_name: str = "dj-app", route_labels: dict[str, str] | None = None) -> VirtualGateway:
    spec = VirtualGatewaySpec(
        namespace_selector=LabelSelector(),
        gateway_route_selector=LabelSelector(route_labels) if route_labels else None,
        mesh_ref=MeshReference(mesh_name),
    )
    return VirtualGateway(ObjectMeta(name=name, namespace="edge", uid=f"uid-{name}"), spec)


def create(kind: str, spec: dict[str, Any] | None = None, name: str = "jazz") -> AdmissionRequest:
    obj: dict[str, Any] = {"metadata": {"name": name, "namespace": "prod"}, "spec": spec or {}}
    return AdmissionRequest("u", kind, "CREATE", "prod", name, obj)


def values(patch: list[dict[str, Any]]) -> dict[str, Any]:
    return {operation["path"].removeprefix("/spec/"): operation["value"] for operation in patch}


@pytest.mark.parametrize(
    ("kind", "aws_name"),
    [
        ("VirtualNode", "jazz_prod"),
        ("VirtualRouter", "jazz_prod"),
        ("VirtualGateway", "jazz_prod"),
        ("VirtualService", "jazz.prod"),
        ("BackendGroup", None),
    ],
)
def test_members_get_a_name_and_a_mesh(kind: str, aws_name: str | None) -> None:
    added = values(default_member(create(kind), Surroundings(LABELS, [mesh()])))
    assert added.get("awsName") == aws_name
    assert added["meshRef"] == {"name": "dj-app", "uid": "uid-dj-app"}


def test_a_name_of_the_author_stays() -> None:
    request = create("VirtualService", {"awsName": "jazz.prod.svc.cluster.local"})
    assert "awsName" not in values(default_member(request, Surroundings(LABELS, [mesh()])))


def test_an_object_without_spec_gets_one() -> None:
    request = AdmissionRequest("u", "VirtualNode", "CREATE", "prod", "jazz", {"metadata": {"name": "jazz"}})
    patch = default_member(request, Surroundings(LABELS, [mesh()]))
    assert [operation["path"] for operation in patch] == ["/spec"]


@pytest.mark.parametrize(
    ("meshes", "labels", "text"),
    [
        ([], LABELS, "failed to find matching mesh for namespace: prod, expecting 1 but found 0"),
        ([mesh()], {}, "failed to find matching mesh for namespace: prod, expecting 1 but found 0"),
        (
            [mesh(deleted=True)],
            LABELS,
            "unable to create new content in mesh dj-app because it is being terminated",
        ),
        (
            [mesh("b"), mesh("a")],
            LABELS,
            "found multiple matching meshes for namespace: prod, expecting 1 but found 2: a,b",
        ),
    ],
)
def test_an_object_needs_exactly_one_living_mesh(meshes: list[Mesh], labels: dict[str, str], text: str) -> None:
    with pytest.raises(Denied) as denial:
        default_member(create("VirtualNode"), Surroundings(labels, meshes))
    assert str(denial.value) == text


def test_an_empty_selector_takes_every_namespace_and_an_absent_one_none() -> None:
    everything = mesh("all", selector=LabelSelector())
    nothing = Mesh(ObjectMeta(name="none"))
    added = values(default_member(create("VirtualNode"), Surroundings({}, [everything, nothing])))
    assert added["meshRef"]["name"] == "all"


@pytest.mark.parametrize(("kind", "field"), [("VirtualNode", "meshRef"), ("GatewayRoute", "virtualGatewayRef")])
def test_read_only_fields_are_refused(kind: str, field: str) -> None:
    request = create(kind, {field: {"name": "x", "uid": "y"}})
    with pytest.raises(Denied, match=f"^{kind} create may not specify read-only field: spec.{field}$"):
        default_member(request, Surroundings(LABELS, [mesh()]))


@pytest.mark.parametrize(
    ("gateways", "text"),
    [
        ([], "failed to find matching virtualGateway for gatewayRoute: jazz, expecting 1 but found 0"),
        (
            [gateway("b"), gateway("a")],
            "found multiple matching virtualGateways for gatewayRoute: jazz, expecting 1 but found 2: a,b",
        ),
        (
            [gateway("b", "other"), gateway("a", "another")],
            "found multiple matching virtualGateways for gatewayRoute: jazz, expecting 1 but found 2: a,b",
        ),
        (
            [gateway("a", "other")],
            "virtualGateway referenced does not belong to the mesh referenced in GatewayRoute Create",
        ),
        (
            [gateway("a", route_labels={"x": "y"})],
            "failed to find matching virtualGateway for gatewayRoute: jazz, expecting 1 but found 0",
        ),
    ],
)
def test_a_gateway_route_needs_exactly_one_gateway_of_its_mesh(gateways: list[VirtualGateway], text: str) -> None:
    with pytest.raises(Denied) as denial:
        default_member(create("GatewayRoute"), Surroundings(LABELS, [mesh()], gateways))
    assert str(denial.value) == text


def test_a_gateway_route_gets_its_gateway() -> None:
    added = values(default_member(create("GatewayRoute"), Surroundings(LABELS, [mesh()], [gateway("a")])))
    assert added["virtualGatewayRef"] == {"namespace": "edge", "name": "a", "uid": "uid-a"}


def test_gateways_of_other_meshes_do_not_stand_in_the_way() -> None:
    gateways = [gateway("a", "other"), gateway("b"), gateway("c", "another")]
    added = values(default_member(create("GatewayRoute"), Surroundings(LABELS, [mesh()], gateways)))
    assert added["virtualGatewayRef"]["name"] == "b"


@pytest.mark.parametrize(
    ("spec", "ip_family", "is_create", "added"),
    [
        ({}, "ipv4", True, {"awsName": "dj-app"}),
        ({}, "ipv4", False, {}),
        ({"awsName": "x"}, "ipv4", True, {}),
        ({"awsName": "x"}, "ipv6", False, {"meshServiceDiscovery": {"ipPreference": "IPv6_ONLY"}}),
        (
            {"awsName": "x", "meshServiceDiscovery": {"ipPreference": "IPv6_ONLY"}},
            "ipv4",
            True,
            {"meshServiceDiscovery": {"ipPreference": "IPv4_ONLY"}},
        ),
        ({"awsName": "x", "meshServiceDiscovery": {"ipPreference": "IPv4_ONLY"}}, "ipv4", True, {}),
    ],
)
def test_a_mesh_gets_its_name_and_the_controllers_ip_family(
    spec: dict[str, Any], ip_family: str, is_create: bool, added: dict[str, Any]
) -> None:
    obj = {"metadata": {"name": "dj-app"}, "spec": spec}
    assert values(default_mesh(obj, ip_family=ip_family, is_create=is_create)) == added
