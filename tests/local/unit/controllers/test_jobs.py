from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade_local.controllers.jobs.indexes import Indexes
from crossfade_local.controllers.jobs.plan import NewPod, next_step
from crossfade_local.controllers.jobs.pods import FAILURES, INDEX, Gone, new_pod
from tests.local.unit.controllers.objects import Json, pod

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _job(**spec: Any) -> Json:
    return {"metadata": {"name": "j", "namespace": "prod", "uid": "j"}, "spec": {"backoffLimit": 6, **spec}}


def _failed(name: str, ended: str = "2026-01-01T11:00:00Z") -> Json:
    item = pod(name, phase="Failed", ready=False)
    item["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": {"finishedAt": ended}}}]
    return item


DONE = pod("done", phase="Succeeded", ready=False)


@pytest.mark.parametrize(
    ("job", "pods", "create", "reason"),
    [
        (_job(completions=1, parallelism=1), [], 1, None),
        (_job(completions=1, parallelism=1), [pod("a")], 0, None),
        (_job(completions=1, parallelism=1), [DONE], 0, "CompletionsReached"),
        (_job(completions=5, parallelism=2), [DONE, DONE], 2, None),
        (_job(completions=3, parallelism=2), [DONE, DONE], 1, None),
        (_job(parallelism=3), [DONE, pod("a")], 0, None),
        (_job(parallelism=3), [DONE, DONE], 0, "CompletionsReached"),
        (_job(completions=1, parallelism=1), [_failed("a")], 1, None),
        (_job(completions=1, parallelism=1, backoffLimit=0), [_failed("a")], 0, "BackoffLimitExceeded"),
        (_job(completions=1, parallelism=1, suspend=True), [], 0, None),
    ],
)
def test_next_step(job: Json, pods: list[Json], create: int, reason: str | None) -> None:
    step = next_step(job, pods, NOW)
    assert (len(step.create), step.finish[1] if step.finish else None) == (create, reason)


def test_a_failed_pod_is_replaced_after_a_growing_pause() -> None:
    one = next_step(_job(completions=1, parallelism=1), [_failed("a", "2026-01-01T11:59:58Z")], NOW)
    assert (one.create, one.again_s) == ([], 8)
    three = [_failed(name, "2026-01-01T11:59:58Z") for name in "abc"]
    assert next_step(_job(completions=1, parallelism=1), three, NOW).again_s == 38


def test_the_deadline_ends_a_job_and_its_pods() -> None:
    job = _job(completions=1, parallelism=1, activeDeadlineSeconds=60)
    job["status"] = {"startTime": "2026-01-01T11:59:30Z"}
    running = pod("a")
    assert next_step(job, [running], NOW).again_s == 30
    job["status"] = {"startTime": "2026-01-01T11:58:30Z"}
    late = next_step(job, [running], NOW)
    assert (late.delete, late.finish and late.finish[1]) == ([running], "DeadlineExceeded")


def _indexed(**spec: Any) -> Json:
    return _job(completionMode="Indexed", **{"completions": 5, "parallelism": 3, **spec})


def _at(index: int, phase: str = "Running", *, failures: int = 0, code: int = 1) -> Json:
    item = pod(f"p{index}-{failures}", phase=phase, ready=phase == "Running")
    item["metadata"]["annotations"] = {INDEX: str(index), FAILURES: str(failures)}
    terminated = {"exitCode": code, "finishedAt": "2026-01-01T11:00:00Z"}
    item["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": terminated}}]
    return item


@pytest.mark.parametrize(
    ("job", "pods", "create", "completed"),
    [
        (_indexed(), [], [0, 1, 2], None),
        (_indexed(), [_at(0), _at(2, "Succeeded")], [1, 3], "2"),
        (_indexed(), [_at(0, "Failed"), _at(1), _at(2)], [0], None),
        (_indexed(), [_at(index, "Succeeded") for index in (0, 1, 3)], [2, 4], "0,1,3"),
        (_indexed(completions=10**9, parallelism=10**5), [], list(range(500)), None),
    ],
)
def test_indexed_jobs_make_the_lowest_free_indexes(
    job: Json, pods: list[Json], create: list[int], completed: str | None
) -> None:
    step = next_step(job, pods, NOW)
    assert ([one.completion_index for one in step.create], step.status.get("completedIndexes")) == (create, completed)


def test_an_indexed_job_remembers_what_was_completed() -> None:
    job = _indexed()
    job["status"] = {"completedIndexes": "0-3"}
    step = next_step(job, [_at(4, "Succeeded")], NOW)
    assert (step.finish and step.finish[1], step.status["completedIndexes"]) == ("CompletionsReached", "0-4")


@pytest.mark.parametrize(
    ("spec", "pods", "reason", "failed", "create"),
    [
        ({"backoffLimitPerIndex": 1}, [_at(0, "Failed")], None, "", [NewPod(0, 1), NewPod(1), NewPod(2)]),
        ({"backoffLimitPerIndex": 0}, [_at(0, "Failed")], None, "0", [NewPod(1), NewPod(2), NewPod(3)]),
        ({"backoffLimitPerIndex": 1}, [_at(0, "Failed", failures=1)], None, "0", [NewPod(1), NewPod(2), NewPod(3)]),
        ({"backoffLimitPerIndex": 0, "completions": 1}, [_at(0, "Failed")], "FailedIndexes", "0", []),
        (
            {"backoffLimitPerIndex": 0, "maxFailedIndexes": 1},
            [_at(0, "Failed"), _at(1, "Failed")],
            "MaxFailedIndexesExceeded",
            "0,1",
            [],
        ),
    ],
)
def test_an_index_may_fail_alone(
    spec: Json, pods: list[Json], reason: str | None, failed: str, create: list[NewPod]
) -> None:
    step = next_step(_indexed(backoffLimit=2**31 - 1, **spec), pods, NOW)
    found = step.finish and step.finish[1], step.status["failedIndexes"], step.create
    assert found == (reason, failed, create)


def _policy(action: str, **rule: Any) -> Json:
    return {"podFailurePolicy": {"rules": [{"action": action, **rule}]}}


@pytest.mark.parametrize(
    ("policy", "reason", "failed"),
    [
        (_policy("FailJob", onExitCodes={"operator": "In", "values": [42]}), "PodFailurePolicy", 1),
        (_policy("FailJob", onExitCodes={"operator": "NotIn", "values": [42]}), "BackoffLimitExceeded", 1),
        (_policy("Ignore", onExitCodes={"operator": "In", "values": [42]}), None, None),
        (
            _policy("Ignore", onExitCodes={"containerName": "x", "operator": "In", "values": [42]}),
            "BackoffLimitExceeded",
            1,
        ),
        (_policy("Ignore", onPodConditions=[{"type": "Ready", "status": "False"}]), None, None),
        (_policy("Ignore", onPodConditions=[{"type": "DisruptionTarget"}]), "BackoffLimitExceeded", 1),
        ({}, "BackoffLimitExceeded", 1),
    ],
)
def test_the_failure_policy_decides_what_a_failure_means(policy: Json, reason: str | None, failed: int | None) -> None:
    step = next_step(_job(completions=1, backoffLimit=0, **policy), [_at(-1, "Failed", code=42)], NOW)
    assert (step.finish and step.finish[1], step.status.get("failed")) == (reason, failed)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"succeededCount": 2}, "SuccessPolicy"),
        ({"succeededCount": 3}, None),
        ({"succeededIndexes": "0,2"}, "SuccessPolicy"),
        ({"succeededIndexes": "0-2"}, None),
        ({"succeededIndexes": "0-2", "succeededCount": 2}, "SuccessPolicy"),
    ],
)
def test_a_success_policy_ends_a_job_early(rule: Json, reason: str | None) -> None:
    step = next_step(_indexed(successPolicy={"rules": [rule]}), [_at(0, "Succeeded"), _at(2, "Succeeded")], NOW)
    assert (step.finish and step.finish[1]) == reason


def test_containers_that_are_restarted_count_as_failures() -> None:
    job = _job(completions=1, backoffLimit=2, template={"spec": {"restartPolicy": "OnFailure"}})
    running = pod("a")
    running["status"]["containerStatuses"] = [{"name": "c", "restartCount": 1}]
    assert next_step(job, [running], NOW).finish is None
    running["status"]["containerStatuses"][0]["restartCount"] = 2
    assert (next_step(job, [running], NOW).finish or ("", ""))[1] == "BackoffLimitExceeded"


def test_an_index_reaches_its_pod() -> None:
    job = _indexed(template={"spec": {"containers": [{"name": "c", "env": [{"name": "A"}]}, {"name": "d"}]}})
    made = new_pod({**job, "apiVersion": "batch/v1", "kind": "Job"}, 3, 0)
    assert (made["metadata"]["generateName"], made["spec"]["hostname"]) == ("j-3-", "j-3")
    assert made["metadata"]["annotations"] == {INDEX: "3"}
    names = [[item["name"] for item in container["env"]] for container in made["spec"]["containers"]]
    assert names == [["A", "JOB_COMPLETION_INDEX"], ["JOB_COMPLETION_INDEX"]]


def test_ended_pods_that_somebody_deletes_still_count() -> None:
    gone, job = Gone(), {**_job(), "status": {"succeeded": 3, "failed": 1}}
    assert gone.counts(job, [DONE]) == (2, 1)
    assert gone.counts(job, []) == (3, 1)
    assert gone.counts(job, [_failed("a")]) == (3, 1)
    assert gone.counts(job, []) == (3, 2)
    gone.forget("j")
    assert gone.counts(_job(), []) == (0, 0)


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_indexes_are_sets(some: set[int], others: set[int]) -> None:
    one, other = Indexes().with_more(some), Indexes().with_more(others)
    assert Indexes.parse(str(one), below=41) == one
    assert one.size() == len(some)
    assert one.common(other) == len(some & others)
    assert set(one.missing(41)) == set(range(41)) - some
    assert one.union(other) == Indexes().with_more(some | others)
