"""Objects after their node is gone: nothing is ready, and only what said otherwise changes."""

import copy
from typing import Any

import pytest

from crossfade_local.kubelet.status import Terminated, history_of
from crossfade_local.lost_node import BUCKETS, nothing_runs

NOW = "2026-01-02T03:04:05Z"
THEN = "2026-01-01T00:00:00Z"

Json = dict[str, Any]


def condition(kind: str, status: str = "True", **more: str) -> Json:
    return {"type": kind, "status": status, "lastTransitionTime": THEN, **more}


def running(name: str, *, ready: bool = True) -> Json:
    state = {"running": {"startedAt": THEN}}
    return {"name": name, "ready": ready, "started": True, "restartCount": 2, "state": state, "containerID": "x://1"}


def pod(phase: str = "Running", **status: Any) -> Json:
    return {"spec": {"nodeName": "crossfade"}, "status": {"phase": phase, **status}}


LOST = {
    "terminated": {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the node came back",
        "startedAt": THEN,
        "finishedAt": NOW,
        "containerID": "x://1",
    }
}


def test_pod() -> None:
    kinds = ("Initialized", "PodReadyToStartContainers", "ContainersReady", "Ready", "example.com/Gate")
    found = pod(
        conditions=[condition(kind) for kind in kinds],
        containerStatuses=[running("app"), running("slow", ready=False)],
        initContainerStatuses=[
            running("sidecar"),
            {"name": "done", "ready": True, "state": {"terminated": {"exitCode": 0}}},
        ],
        podIP="10.244.0.16",
        podIPs=[{"ip": "10.244.0.16"}],
    )
    assert nothing_runs("/pods", found, now=NOW)
    status = found["status"]
    assert {one["type"]: one["status"] for one in status["conditions"]} == {
        "Initialized": "True",
        "PodReadyToStartContainers": "False",
        "ContainersReady": "False",
        "Ready": "False",
        "example.com/Gate": "True",
    }
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    assert (ready["reason"], ready["lastTransitionTime"]) == ("ContainersNotReady", NOW)
    assert ready["message"] == "containers with unready status: [app slow]"
    for one in (*status["containerStatuses"], status["initContainerStatuses"][0]):
        assert (one["ready"], one["started"], one["state"]) == (False, False, LOST)
        count, last = history_of(one, now=NOW)
        assert (count, isinstance(last, Terminated)) == (3, True)
    assert status["initContainerStatuses"][1]["ready"]
    assert not {"podIP", "podIPs"} & status.keys()
    assert not nothing_runs("/pods", found, now="2026-02-02T03:04:05Z")


@pytest.mark.parametrize(
    ("bucket", "before", "after"),
    [
        (
            "apps/deployments",
            {
                "status": {
                    "replicas": 3,
                    "readyReplicas": 3,
                    "availableReplicas": 2,
                    "unavailableReplicas": 1,
                    "conditions": [condition("Progressing"), condition("Available", lastUpdateTime=THEN)],
                }
            },
            {
                "status": {
                    "replicas": 3,
                    "unavailableReplicas": 3,
                    "conditions": [
                        condition("Progressing"),
                        {
                            "type": "Available",
                            "status": "False",
                            "lastTransitionTime": NOW,
                            "lastUpdateTime": NOW,
                            "reason": "MinimumReplicasUnavailable",
                            "message": "Deployment does not have minimum availability.",
                        },
                    ],
                }
            },
        ),
        (
            "apps/replicasets",
            {"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}},
            {"status": {"replicas": 1}},
        ),
        (
            "apps/statefulsets",
            {"status": {"replicas": 1, "readyReplicas": 1, "currentReplicas": 1}},
            {"status": {"replicas": 1, "currentReplicas": 1}},
        ),
        (
            "apps/daemonsets",
            {"status": {"desiredNumberScheduled": 1, "numberReady": 1, "numberAvailable": 1}},
            {"status": {"desiredNumberScheduled": 1, "numberReady": 0, "numberUnavailable": 1}},
        ),
        ("batch/jobs", {"status": {"active": 1, "ready": 1}}, {"status": {"active": 1, "ready": 0}}),
        (
            "policy/poddisruptionbudgets",
            {"status": {"currentHealthy": 2, "desiredHealthy": 1, "disruptionsAllowed": 1}},
            {"status": {"currentHealthy": 0, "desiredHealthy": 1, "disruptionsAllowed": 0}},
        ),
        (
            "discovery.k8s.io/endpointslices",
            {
                "endpoints": [
                    {"conditions": {"ready": True, "serving": True}, "targetRef": {"kind": "Pod"}},
                    {"conditions": {"ready": True}, "addresses": ["192.0.2.1"]},
                    {"targetRef": {"kind": "Pod"}},
                ]
            },
            {
                "endpoints": [
                    {"conditions": {"ready": False, "serving": False}, "targetRef": {"kind": "Pod"}},
                    {"conditions": {"ready": True}, "addresses": ["192.0.2.1"]},
                    {"conditions": {"ready": False, "serving": False}, "targetRef": {"kind": "Pod"}},
                ]
            },
        ),
        (
            "/endpoints",
            {"subsets": [{"addresses": [{"ip": "a", "targetRef": {"kind": "Pod"}}, {"ip": "b"}], "ports": []}]},
            {
                "subsets": [
                    {
                        "addresses": [{"ip": "b"}],
                        "notReadyAddresses": [{"ip": "a", "targetRef": {"kind": "Pod"}}],
                        "ports": [],
                    }
                ]
            },
        ),
        (
            "/nodes",
            {"status": {"conditions": [condition("Ready", reason="KubeletReady")]}},
            {
                "status": {
                    "conditions": [
                        {
                            "type": "Ready",
                            "status": "Unknown",
                            "reason": "NodeStatusUnknown",
                            "message": "Kubelet stopped posting node status.",
                            "lastTransitionTime": NOW,
                        }
                    ]
                }
            },
        ),
    ],
)
def test_what_changes(bucket: str, before: Json, after: Json) -> None:
    found = copy.deepcopy(before)
    assert nothing_runs(bucket, found, now=NOW)
    assert found == after
    assert not nothing_runs(bucket, found, now="2026-02-02T03:04:05Z")


@pytest.mark.parametrize("bucket", [*sorted(set(BUCKETS)), "/configmaps"])
@pytest.mark.parametrize("obj", [{}, {"status": None}, {"status": {}, "spec": {}}])
def test_objects_without_a_status_stay(bucket: str, obj: Json) -> None:
    found = copy.deepcopy(obj)
    assert not nothing_runs(bucket, found, now=NOW)
    assert found == obj


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pods_that_are_over_stay(phase: str) -> None:
    found = pod(phase, conditions=[condition("Initialized")], podIP="10.244.0.16")
    before = copy.deepcopy(found)
    assert not nothing_runs("/pods", found, now=NOW)
    assert found == before


def test_pods_that_never_ran_stay() -> None:
    found: Json = {"spec": {}, "status": {"phase": "Pending", "conditions": [condition("PodScheduled", "False")]}}
    before = copy.deepcopy(found)
    assert not nothing_runs("/pods", found, now=NOW)
    assert found == before
