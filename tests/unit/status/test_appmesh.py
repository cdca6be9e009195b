from datetime import UTC, datetime
from typing import Any

import pytest

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.api.appmesh.gateway_route import GatewayRouteSpec, VirtualGatewayReference
from crossfade.api.appmesh.mesh import MeshStatus
from crossfade.api.appmesh.values import MeshReference
from crossfade.api.appmesh.virtual_node import VirtualNodeSpec, VirtualNodeStatus
from crossfade.api.appmesh.virtual_router import VirtualRouterStatus
from crossfade.api.appmesh.virtual_service import VirtualServiceSpec
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import ObjectState
from crossfade.status.appmesh import MESH_MEMBERS, decide_changes
from crossfade.status.change import News, ObjectChange
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import Condition, ObjectMeta
from crossfade_kube.registry import TypedObject, typed_ref

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
STAMP = "2026-11-23T12:00:00Z"
ARN = "arn:aws:appmesh:us-west-2:000000000000:mesh/dj-app/virtualNode/jazz_prod"
ACTIVE = ObjectState(ARN, is_active=True)
PENDING = ObjectState(ARN, is_active=False, message="unable to fetch virtualNode: prod/v2")


def meta(name: str = "jazz", **more: Any) -> ObjectMeta:
    return ObjectMeta(name=name, namespace="prod", resource_version="7", generation=2, **more)


def node(status: VirtualNodeStatus | None = None, **more: Any) -> VirtualNode:
    return VirtualNode(meta(**more), status=status or VirtualNodeStatus())


def decided(state: ObjectState | None, *objects: TypedObject) -> list[ObjectChange]:
    states = {typed_ref(objects[0]): state} if state else {}
    return decide_changes(Snapshot.of(objects), states, now=NOW, diagnostics=Diagnostics())


def reported(status: str, message: str = "", time: str = "2026-01-01T00:00:00Z") -> tuple[Condition, ...]:
    return (Condition("VirtualNodeActive", status, time, message=message),)


def test_a_new_object_gets_its_arn_condition_and_generation() -> None:
    (change,) = decided(ACTIVE, node())
    assert change.subresource == "status"
    assert change.patch == {
        "status": {
            "conditions": [{"type": "VirtualNodeActive", "status": "True", "lastTransitionTime": STAMP}],
            "observedGeneration": 2,
            "virtualNodeARN": ARN,
        }
    }
    assert change.news == ()


def test_an_object_that_says_it_all_is_left_alone() -> None:
    status = VirtualNodeStatus(conditions=reported("True"), observed_generation=2, arn=ARN)
    assert decided(ACTIVE, node(status)) == []


def test_an_inactive_object_says_why_and_has_no_arn_yet() -> None:
    (change,) = decided(PENDING, node())
    assert change.patch is not None
    assert "virtualNodeARN" not in change.patch["status"]
    assert change.patch["status"]["conditions"][0]["message"] == PENDING.message
    assert change.news == (News("ReconcileError", PENDING.message),)


def test_an_active_object_says_what_is_not_carried_out_once() -> None:
    noted = ObjectState(ARN, is_active=True, note="spec.meshOwner: no mesh is shared")
    (change,) = decided(noted, node())
    assert change.patch is not None
    (condition,) = change.patch["status"]["conditions"]
    assert (condition["status"], condition["reason"], condition["message"]) == ("True", "NotCarriedOut", noted.note)
    assert change.news == (News("NotCarriedOut", noted.note),)
    said = VirtualNodeStatus(conditions=reported("True", noted.note), observed_generation=2, arn=ARN)
    assert decided(noted, node(said)) == []
    (taken_back,) = decided(ACTIVE, node(said))
    assert taken_back.patch is not None
    assert "message" not in taken_back.patch["status"]["conditions"][0]
    assert taken_back.news == ()


def test_waiting_for_another_object_is_no_news() -> None:
    (change,) = decided(ObjectState(ARN, is_active=False, message="virtualNode is not active yet", waits=True), node())
    assert change.patch is not None
    assert change.patch["status"]["conditions"][0]["message"] == "virtualNode is not active yet"
    assert change.news == ()


@pytest.mark.parametrize(
    ("before", "time"),
    [(reported("False", "another reason"), "2026-01-01T00:00:00Z"), (reported("True"), STAMP)],
)
def test_the_time_moves_only_when_the_status_flips(before: tuple[Condition, ...], time: str) -> None:
    status = VirtualNodeStatus(conditions=before, observed_generation=2, arn=ARN)
    (change,) = decided(PENDING, node(status))
    assert change.patch is not None
    assert change.patch["status"]["conditions"][0]["lastTransitionTime"] == time


def test_arns_of_removed_routes_are_taken_away() -> None:
    status = VirtualRouterStatus(
        conditions=(Condition("VirtualRouterActive", "True", STAMP),),
        observed_generation=2,
        arn="arn:r",
        route_arns={"old": "arn:old", "kept": "arn:kept"},
    )
    router = VirtualRouter(meta(), status=status)
    state = ObjectState("arn:r", is_active=True, route_arns=(("kept", "arn:kept"), ("new", "arn:new")))
    (change,) = decided(state, router)
    assert change.patch == {"status": {"routeARNs": {"old": None, "kept": "arn:kept", "new": "arn:new"}}}


def mesh(**more: Any) -> Mesh:
    status = MeshStatus(conditions=(Condition("MeshActive", "True", STAMP),), observed_generation=2, arn="arn:m")
    return Mesh(ObjectMeta(name="dj-app", uid="m", resource_version="7", generation=2, **more), status=status)


def test_a_mesh_holds_itself_until_its_members_are_gone() -> None:
    (change,) = decided(ObjectState("arn:m", is_active=True), mesh(finalizers=("other",)))
    assert change.patch == {"metadata": {"finalizers": ["other", MESH_MEMBERS], "resourceVersion": "7"}}


MEMBER = MeshReference("dj-app", "m")


def test_a_mesh_with_members_is_not_released_but_says_who() -> None:
    ending = mesh(finalizers=(MESH_MEMBERS,), deletion_timestamp=STAMP)
    members = [
        VirtualNode(meta("a"), VirtualNodeSpec(mesh_ref=MEMBER)),
        VirtualNode(meta("b"), VirtualNodeSpec(mesh_ref=MEMBER)),
        VirtualService(meta("c"), VirtualServiceSpec(mesh_ref=MEMBER)),
        VirtualService(meta("d"), VirtualServiceSpec(mesh_ref=MeshReference("dj-app", "another life"))),
    ]
    (change,) = decided(None, ending, *members)
    assert change.patch is None
    assert change.news == (
        News(
            "PendingMembersDeletion",
            "objects belong to this mesh exists, please delete them to proceed. virtualService: 1, virtualNode: 2",
        ),
    )


def test_an_empty_mesh_is_released() -> None:
    (change,) = decided(None, mesh(finalizers=("other", MESH_MEMBERS), deletion_timestamp=STAMP))
    assert change.patch == {"metadata": {"finalizers": ["other"], "resourceVersion": "7"}}


def test_a_gateway_waits_for_its_routes() -> None:
    finalizers = ("finalizers.appmesh.k8s.aws/virtualgateway-members",)
    gateway = VirtualGateway(meta("gw", finalizers=finalizers, deletion_timestamp=STAMP))
    route = GatewayRoute(meta("r"), GatewayRouteSpec(virtual_gateway_ref=VirtualGatewayReference("gw", "prod")))
    (change,) = decided(None, gateway, route)
    assert change.news[0].message == (
        "objects belonging to this virtualGateway exist, please delete them to proceed. gatewayRoute: 1"
    )
    (released,) = decided(None, gateway)
    assert released.patch is not None


@pytest.mark.parametrize("kind", [VirtualNode, VirtualService, VirtualRouter, GatewayRoute, BackendGroup])
def test_finalizers_of_the_former_controller_are_cleaned_up(kind: type[Any]) -> None:
    old = meta(finalizers=("finalizers.appmesh.k8s.aws/aws-appmesh-resources",), deletion_timestamp=STAMP)
    (change,) = decided(None, kind(old))
    assert change.patch == {"metadata": {"finalizers": [], "resourceVersion": "7"}}
