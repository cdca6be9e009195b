"""What `crossfade status` says of a cluster."""

from typing import Any

from crossfade.cli.cluster_status import overview

Json = dict[str, Any]


def deployment(name: str, label: str, wanted: int, **status: int) -> Json:
    metadata = {"name": name, "namespace": "system", "labels": {"app.kubernetes.io/name": label}}
    return {"metadata": metadata, "spec": {"replicas": wanted}, "status": status}


def pod(name: str, *conditions: Json, **more: Any) -> Json:
    return {"metadata": {"name": name, "namespace": "prod", **more}, "status": {"conditions": list(conditions)}}


READY = {"type": "Ready", "status": "True"}
BACK = {"type": "crossfade.dev/sidecar-connected", "status": "True"}
LOST = {**BACK, "status": "False", "lastTransitionTime": "2026-11-28T10:00:00Z", "message": "its proxy is lost"}


def test_all_is_well() -> None:
    found = overview([deployment("appmesh-controller", "appmesh-controller", 2, readyReplicas=2)], [pod("a", BACK)])
    assert found.is_well
    assert list(found.lines()) == [
        "mesh controller  system/appmesh-controller, 2 of 2 ready",
        "proxies of the mesh  1, none missed",
    ]


def test_missed_proxies_are_named_with_since_when() -> None:
    ends = pod("c", LOST, deletionTimestamp="2026-11-28T11:00:00Z")
    found = overview([deployment("kong-kong", "kong", 1)], [pod("b", READY, LOST), pod("a", READY), ends])
    assert not found.is_well
    assert list(found.lines()) == [
        "gateway  system/kong-kong, 0 of 1 ready",
        "proxies of the mesh  2, 1 missed",
        "missed  pod prod/b since 2026-11-28T10:00:00Z: its proxy is lost",
    ]
    assert found.as_json() == {
        "workloads": [{"role": "gateway", "namespace": "system", "name": "kong-kong", "wanted": 1, "ready": 0}],
        "proxies": 2,
        "missed": [
            {"namespace": "prod", "name": "b", "since": "2026-11-28T10:00:00Z", "message": "its proxy is lost"},
        ],
    }


def test_a_cluster_without_anything_is_well() -> None:
    assert overview([], []).is_well
