"""Whether a pod gets other resources, and what that means for its containers."""

from typing import Any

import pytest

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet.resize import ResizeError, Room, failure, needs_restart, refusal
from crossfade_local.kubelet.status import ContainerReport, PodReport, Running, pod_status
from crossfade_local.pod_resources import amounts

NOW = "2026-01-02T03:04:05Z"
NODE = {"cpu": "4", "memory": "8Gi"}


def pod(**requests: str) -> JsonObject:
    containers = [{"name": "a", "image": "b", "resources": {"requests": requests}}]
    return {"metadata": {"name": "p", "generation": 3}, "spec": {"containers": containers}}


@pytest.mark.parametrize(
    ("asked", "taken", "reason", "message"),
    [
        ({"cpu": "4", "memory": "8Gi"}, {}, None, None),
        ({"cpu": "2500m"}, {"cpu": "1500m"}, None, None),
        (
            {"cpu": "4500m"},
            {},
            "Infeasible",
            "Node didn't have enough capacity: cpu, requested: 4500, capacity: 4000",
        ),
        ({"memory": "9Gi"}, {}, "Infeasible", "memory, requested: 9663676416, capacity: 8589934592"),
        ({"cpu": "3"}, {"cpu": "1001m"}, "Deferred", "Node didn't have enough resource: cpu"),
        ({"memory": "5Gi"}, {"cpu": "1", "memory": "4Gi"}, "Deferred", "Node didn't have enough resource: memory"),
    ],
)
def test_room(asked: dict[str, str], taken: dict[str, str], reason: str | None, message: str | None) -> None:
    condition = refusal(pod(**asked), Room(amounts(NODE), amounts(taken)))
    if reason is None or message is None:
        assert condition is None
    else:
        assert condition is not None
        assert (condition["type"], condition["reason"]) == ("PodResizePending", reason)
        assert condition["message"].endswith(message)
        assert condition["observedGeneration"] == 3


@pytest.mark.parametrize(
    ("policies", "new", "restarts"),
    [
        ({}, {"limits": {"cpu": "2"}}, False),
        ({"memory": "RestartContainer"}, {"limits": {"cpu": "2", "memory": "1Mi"}}, False),
        ({"memory": "RestartContainer"}, {"limits": {"cpu": "1", "memory": "2Mi"}}, True),
        (
            {"memory": "RestartContainer"},
            {"limits": {"cpu": "1", "memory": "1Mi"}, "requests": {"memory": "1Ki"}},
            True,
        ),
        ({"cpu": "NotRequired", "memory": "RestartContainer"}, {"limits": {"cpu": "2", "memory": "1Mi"}}, False),
    ],
)
def test_restarts(policies: dict[str, str], new: JsonObject, restarts: bool) -> None:
    policy = [{"resourceName": name, "restartPolicy": value} for name, value in policies.items()]
    container = {"name": "a", "resources": {"limits": {"cpu": "1", "memory": "1Mi"}}, "resizePolicy": policy}
    assert needs_restart(container, new) is restarts


def _status(*former: JsonObject, resize: JsonObject | None = None, resources: JsonObject | None = None) -> Any:
    container = ContainerReport("a", "b", Running(NOW), ready=True, started=True, resources=resources)
    report = PodReport([], [container], "10.0.0.1", "10.0.0.2", NOW, sandbox_ready=True, resize=resize)
    return pod_status(pod(cpu="1"), report, former=former, now=NOW)


def test_the_condition_of_a_resize_comes_and_goes() -> None:
    problem = failure(pod(cpu="1"), ResizeError("too much in use"))
    (shown,) = (one for one in _status(resize=problem)["conditions"] if one["type"] == "PodResizeInProgress")
    assert (shown["status"], shown["reason"], shown["message"]) == ("True", "Error", "too much in use")
    former = {"type": "PodResizeInProgress", "status": "True"}
    assert {"$patch": "delete", "type": "PodResizeInProgress"} in _status(former)["conditions"]


def test_a_container_shows_what_it_has() -> None:
    resources = {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}, "claims": []}
    (shown,) = _status(resources=resources)["containerStatuses"]
    assert shown["resources"] == {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}
    assert shown["allocatedResources"] == {"cpu": "1"}
