from datetime import UTC, datetime

from crossfade_kube.errors import BadRequest
from crossfade_local.controllers.pods import available_in_s, deletion_order, is_active
from crossfade_local.controllers.replica_sets import Failure, replica_set_status
from tests.local.unit.controllers.objects import pod, replica_set

NOW = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)


def test_availability() -> None:
    ready = pod("a")
    assert available_in_s(ready, 0, NOW) == 0
    assert available_in_s(ready, 8, NOW) == 0
    assert available_in_s(ready, 30, NOW) == 20
    assert available_in_s(pod("b", ready=False), 0, NOW) is None


def test_which_pods_count() -> None:
    assert is_active(pod("a"))
    assert not is_active(pod("a", phase="Succeeded"))
    assert not is_active(pod("a", deletionTimestamp="2026-01-01T00:00:00Z"))


def test_which_pods_go_first() -> None:
    cheap = pod("cheap", annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"})
    young = pod("young", creationTimestamp="2026-01-01T00:00:00Z")
    old = pod("old", creationTimestamp="2025-01-01T00:00:00Z")
    unready = pod("unready", ready=False)
    pending = pod("pending", phase="Pending", ready=False)
    unassigned = pod("unassigned", node="", phase="Pending", ready=False)
    pods = [old, young, cheap, unready, pending, unassigned]
    order = sorted(pods, key=lambda item: deletion_order(item, 1))
    assert [item["metadata"]["name"] for item in order] == ["unassigned", "pending", "unready", "cheap", "young", "old"]


def test_status_shows_counts_and_the_failure() -> None:
    subject = replica_set("jazz-1", 2)
    subject["spec"]["template"]["metadata"]["labels"] = {"app": "jazz"}
    failure = Failure("FailedCreate", BadRequest(400, {"message": 'admission webhook "x" denied the request: no'}))
    found = replica_set_status(subject, [pod("a"), pod("b", ready=False)], failure, NOW)
    assert found == {
        "replicas": 2,
        "terminatingReplicas": 0,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "conditions": [
            {
                "type": "ReplicaFailure",
                "status": "True",
                "lastTransitionTime": "2026-01-01T00:00:10Z",
                "reason": "FailedCreate",
                "message": 'admission webhook "x" denied the request: no',
            }
        ],
    }
    subject["status"] = found
    assert "conditions" not in replica_set_status(subject, [], None, NOW)


def test_a_replication_controller_counts_no_terminating_pods() -> None:
    subject = {**replica_set("jazz", 1), "kind": "ReplicationController"}
    assert replica_set_status(subject, [], None, NOW, terminating=1) == {"replicas": 0}
