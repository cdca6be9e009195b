"""Deleting what routes or virtual services still need is refused, with the names of who needs it (appmesh.md §5.3)."""

from typing import Any

import pytest

from crossfade.admission.appmesh_uses import check_unused, needed_object
from crossfade.admission.review import AdmissionRequest, Denied
from crossfade.api.appmesh import Mesh, VirtualRouter, VirtualService
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import TypedObject, decode

ARN = "arn:aws:appmesh:us-west-2:000000000000:mesh/rock/"


def obj(name: str, spec: JsonObject, namespace: str = "bg", **metadata: Any) -> JsonObject:
    return {"metadata": {"name": name, "namespace": namespace, **metadata}, "spec": spec}


def router(target: JsonObject, kind: str = "httpRoute", **metadata: Any) -> VirtualRouter:
    body = {"match": {"prefix": "/"}, "action": {"weightedTargets": [{**target, "weight": 1}]}}
    return decode(obj("svc", {"routes": [{"name": "r", kind: body}]}, **metadata), VirtualRouter)


def service(provider: JsonObject, **metadata: Any) -> VirtualService:
    return decode(obj("svc", {"provider": provider}, **metadata), VirtualService)


def denial(kind: str, *others: TypedObject, name: str = "e1") -> str:
    old = obj(name, {"awsName": f"{name}_bg", "meshRef": {"name": "rock", "uid": "1"}})
    wanted = needed_object(AdmissionRequest("u", kind, "DELETE", "bg", name, {}, old))
    assert wanted is not None
    mesh = decode({"metadata": {"name": "rock"}, "spec": {"awsName": "rock"}}, Mesh)
    try:
        check_unused(wanted, Snapshot.of([mesh, *others]))
    except Denied as denied:
        return str(denied)
    return ""


@pytest.mark.parametrize("kind", ["httpRoute", "http2Route", "tcpRoute"])
def test_a_node_that_a_route_targets(kind: str) -> None:
    assert denial("VirtualNode", router({"virtualNodeRef": {"name": "e1"}}, kind)) == (
        "VirtualNode bg/e1 is in use by VirtualRouter bg/svc (route r): requests to it would fail. "
        "Remove it there, or delete those first"
    )


@pytest.mark.parametrize(
    ("kind", "user"),
    [
        ("VirtualNode", service({"virtualNode": {"virtualNodeRef": {"name": "e1"}}})),
        ("VirtualNode", service({"virtualNode": {"virtualNodeARN": f"{ARN}virtualNode/e1_bg"}})),
        ("VirtualNode", router({"virtualNodeARN": f"{ARN}virtualNode/e1_bg"})),
        ("VirtualNode", router({"virtualNodeRef": {"name": "e1", "namespace": "bg"}}, namespace="other")),
        ("VirtualRouter", service({"virtualRouter": {"virtualRouterRef": {"name": "e1"}}})),
        ("VirtualRouter", service({"virtualRouter": {"virtualRouterARN": f"{ARN}virtualRouter/e1_bg"}})),
    ],
)
def test_every_kind_of_user(kind: str, user: TypedObject) -> None:
    assert f"is in use by {user.RESOURCE.kind}" in denial(kind, user)


@pytest.mark.parametrize(
    "bystander",
    [
        router({"virtualNodeRef": {"name": "e2"}}),
        router({"virtualNodeRef": {"name": "e1"}}, namespace="other"),
        router({"virtualNodeARN": f"{ARN}virtualNode/xe1_bg"}),
        router({"virtualNodeRef": {"name": "e1"}}, deletionTimestamp="2026-01-01T00:00:00Z"),
        service({"virtualRouter": {"virtualRouterRef": {"name": "e1"}}}),
        service({}),
    ],
)
def test_who_does_not_need_it(bystander: TypedObject) -> None:
    assert denial("VirtualNode", bystander) == ""


def test_many_users_are_counted() -> None:
    users = [service({"virtualNode": {"virtualNodeRef": {"name": "e1"}}}) for _ in range(1)]
    many = [
        decode(obj(f"s{index:02}", {"provider": {"virtualNode": {"virtualNodeRef": {"name": "e1"}}}}), VirtualService)
        for index in range(12)
    ]
    assert "s09 (spec.provider) and 3 more: requests" in denial("VirtualNode", *users, *many)


@pytest.mark.parametrize(
    "request_",
    [
        AdmissionRequest("u", "VirtualService", "DELETE", "bg", "x", {}, obj("x", {})),
        AdmissionRequest("u", "VirtualNode", "DELETE", "bg", "x", {}, obj("x", {"listeners": 5})),
    ],
)
def test_what_nobody_can_need_is_not_looked_at(request_: AdmissionRequest) -> None:
    assert needed_object(request_) is None
