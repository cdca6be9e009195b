from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossfade_local.controllers.deployments import revisions, status
from tests.local.unit.controllers.objects import Json, deployment, replica_set, template

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _conditions(found: Json) -> dict[str, tuple[str, str, str]]:
    return {item["type"]: (item["status"], item["reason"], item["message"]) for item in found["conditions"]}


def _reported(subject: Json, new: Json, old: list[Json], *, now: datetime = NOW) -> Json:
    counted = status.counted(subject, new, old, now=now)
    return status.with_failures(status.with_progress(subject, counted, new, now=now), [new, *old])


def test_a_finished_rollout() -> None:
    found = _reported(deployment(2), replica_set("jazz-1", 2), [])
    assert {key: value for key, value in found.items() if key != "conditions"} == {
        "observedGeneration": 1,
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 0,
    }
    assert _conditions(found) == {
        "Available": ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        "Progressing": ("True", "NewReplicaSetAvailable", 'ReplicaSet "jazz-1" has successfully progressed.'),
    }


def test_progress_then_the_deadline() -> None:
    subject = deployment(2)
    new = replica_set("jazz-1", 2, available=0)
    first = _reported(subject, new, [])
    assert _conditions(first) == {
        "Available": ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
        "Progressing": ("True", "ReplicaSetUpdated", 'ReplicaSet "jazz-1" is progressing.'),
    }
    assert first["unavailableReplicas"] == 2
    subject["status"] = first
    assert status.seconds_to_deadline(subject, first, now=NOW + timedelta(seconds=590)) == 10
    assert _reported(subject, new, [], now=NOW + timedelta(seconds=590)) == first
    late = _reported(subject, new, [], now=NOW + timedelta(seconds=600))
    assert _conditions(late)["Progressing"] == (
        "False",
        "ProgressDeadlineExceeded",
        'ReplicaSet "jazz-1" has timed out progressing.',
    )
    subject["status"] = late
    recovered = _reported(subject, replica_set("jazz-1", 2), [], now=NOW + timedelta(seconds=700))
    assert _conditions(recovered)["Progressing"][1] == "NewReplicaSetAvailable"


def test_refused_pods_show_on_the_deployment_until_they_are_accepted() -> None:
    subject, new = deployment(1), replica_set("jazz-1", 1, available=0)
    new["status"]["conditions"] = [
        {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": "denied",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ]
    subject["status"] = _reported(subject, new, [])
    assert _conditions(subject["status"])["ReplicaFailure"] == ("True", "FailedCreate", "denied")
    assert "ReplicaFailure" not in _conditions(_reported(subject, replica_set("jazz-1", 1), []))


@pytest.mark.parametrize(
    ("paused", "reason", "expected"),
    [
        (True, "NewReplicaSetAvailable", "DeploymentPaused"),
        (True, "DeploymentPaused", None),
        (False, "DeploymentPaused", "DeploymentResumed"),
        (False, "DeploymentResumed", None),
        (True, "ProgressDeadlineExceeded", None),
    ],
)
def test_pausing(paused: bool, reason: str, expected: str | None) -> None:
    subject = deployment(1, paused=paused)
    subject["status"] = {"conditions": [{"type": "Progressing", "status": "True", "reason": reason}]}
    found = status.pause_condition(subject, now=NOW)
    assert (found["reason"] if found else None) == expected


def _set_of(subject: Json, **annotations: Any) -> Json:
    made = revisions.new_replica_set(subject, [], replicas=1, max_replicas=2)
    made["metadata"]["annotations"] |= annotations
    made["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return made


def test_a_new_set_carries_what_kubectl_looks_for() -> None:
    subject = deployment(3)
    subject["metadata"]["annotations"] = {
        "kubernetes.io/change-cause": "first",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        revisions.REVISION: "7",
    }
    made = revisions.new_replica_set(subject, [], replicas=3, max_replicas=4)
    code = made["metadata"]["labels"]["pod-template-hash"]
    assert made["metadata"]["name"] == f"jazz-{code}"
    assert set(code) <= set("bcdfghjklmnpqrstvwxz2456789")
    assert len(code) == 10
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/change-cause": "first",
        revisions.REVISION: "1",
        revisions.DESIRED_REPLICAS: "3",
        revisions.MAX_REPLICAS: "4",
    }
    assert made["spec"]["selector"] == {"matchLabels": {"app": "jazz", "pod-template-hash": code}}
    assert made["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] == code
    assert subject["spec"]["template"] == template()


def test_the_set_of_the_present_template_is_found_again() -> None:
    first, second = deployment(image="v1"), deployment(image="v2")
    sets = [_set_of(first), _set_of(second)]
    assert revisions.replica_set_of(first, sets) is sets[0]
    assert revisions.replica_set_of(deployment(image="v3"), sets) is None


def test_going_back_gives_the_old_set_a_new_revision() -> None:
    first = _set_of(deployment(image="v1"), **{revisions.REVISION: "1"})
    second = _set_of(deployment(image="v2"), **{revisions.REVISION: "2"})
    wanted = revisions.annotations_for(deployment(image="v1"), first, [second])
    assert (wanted[revisions.REVISION], wanted[revisions.REVISION_HISTORY]) == ("3", "1")
    again = revisions.annotations_for(deployment(image="v2"), second, [first])
    assert again[revisions.REVISION] == "2"
