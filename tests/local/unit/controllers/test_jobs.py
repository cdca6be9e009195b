from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade_local.controllers.jobs.backoff import Failures
from crossfade_local.controllers.jobs.facts import facts_of
from crossfade_local.controllers.jobs.indexes import Indexes
from crossfade_local.controllers.jobs.plan import JobStep, next_step
from crossfade_local.controllers.jobs.pods import FAILURES, FINALIZER, IGNORED, INDEX, NewPod, new_pod
from crossfade_local.controllers.jobs.status import Ledger, counted, ended, settled
from tests.local.unit.controllers.objects import Json, pod

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _job(**spec: Any) -> Json:
    return {"metadata": {"name": "j", "namespace": "prod", "uid": "j"}, "spec": {"backoffLimit": 6, **spec}}


def _pod(name: str, phase: str = "Running", **extra: Any) -> Json:
    return pod(name, phase=phase, ready=phase == "Running", finalizers=[FINALIZER], **extra)


def _failed(name: str, ended: str = "2026-01-01T11:00:00Z") -> Json:
    item = _pod(name, "Failed")
    item["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": {"finishedAt": ended}}}]
    return item


def _step(job: Json, pods: list[Json]) -> JobStep:
    facts = facts_of(job, pods)
    return next_step(job, pods, facts, Failures().after(facts.succeeded_pods, facts.failed_pods), NOW)


def _ledger(job: Json, pods: list[Json]) -> Ledger:
    step = _step(job, pods)
    return counted(job, pods, facts_of(job, pods), step, created=len(step.create), now=NOW)


def _reason(step: JobStep) -> str | None:
    return step.ending and step.ending.reason


DONE, ALSO_DONE = _pod("done", "Succeeded"), _pod("also-done", "Succeeded")
GOING = {"deletionTimestamp": "2026-01-01T11:59:58Z", "deletionGracePeriodSeconds": 0}


@pytest.mark.parametrize(
    ("job", "pods", "create", "reason"),
    [
        (_job(completions=1, parallelism=1), [], 1, None),
        (_job(completions=1, parallelism=1), [_pod("a")], 0, None),
        (_job(completions=1, parallelism=1), [DONE], 0, "CompletionsReached"),
        (_job(completions=5, parallelism=2), [DONE, ALSO_DONE], 2, None),
        (_job(completions=3, parallelism=2), [DONE, ALSO_DONE], 1, None),
        (_job(parallelism=3), [DONE, _pod("a")], 0, None),
        (_job(parallelism=3), [DONE, ALSO_DONE], 0, "CompletionsReached"),
        (_job(completions=1, parallelism=1), [_failed("a")], 1, None),
        (_job(completions=1, parallelism=1, backoffLimit=0), [_failed("a")], 0, "BackoffLimitExceeded"),
        (_job(completions=1, parallelism=1, suspend=True), [], 0, None),
    ],
)
def test_next_step(job: Json, pods: list[Json], create: int, reason: str | None) -> None:
    step = _step(job, pods)
    assert (len(step.create), step.delete, _reason(step)) == (create, [], reason)


def test_a_failed_pod_is_replaced_after_a_growing_pause() -> None:
    one = _step(_job(completions=1, parallelism=1), [_failed("a", "2026-01-01T11:59:58Z")])
    assert (one.create, one.again_s) == ([], 8)
    three = [_failed(name, "2026-01-01T11:59:58Z") for name in "abc"]
    assert _step(_job(completions=1, parallelism=1), three).again_s == 38
    assert _step(_job(completions=1, parallelism=1), [_pod("a", **GOING)]).again_s == 8


def test_a_success_makes_earlier_failures_forgotten() -> None:
    known = Failures(3, datetime(2026, 1, 1, 11, 59, tzinfo=UTC))
    succeeded = _failed("s", "2026-01-01T11:59:50Z")
    later, earlier = _failed("l", "2026-01-01T11:59:55Z"), _failed("e", "2026-01-01T11:59:40Z")
    assert known.after([succeeded], [later, earlier]) == Failures(1, datetime(2026, 1, 1, 11, 59, 55, tzinfo=UTC))
    assert known.after([succeeded], []).pause_s(NOW) == 0
    assert known.after([], [later]).pause_s(NOW) == 75
    assert Failures(50, NOW).pause_s(NOW) == 600


def test_the_deadline_ends_a_job_and_its_pods() -> None:
    job = _job(completions=1, parallelism=1, activeDeadlineSeconds=60)
    job["status"] = {"startTime": "2026-01-01T11:59:30Z"}
    running = _pod("a")
    assert _step(job, [running]).again_s == 30
    job["status"] = {"startTime": "2026-01-01T11:58:30Z"}
    late = _step(job, [running])
    assert (late.delete, late.lets_go, _reason(late)) == ([running], False, "DeadlineExceeded")


def _indexed(**spec: Any) -> Json:
    return _job(completionMode="Indexed", **{"completions": 5, "parallelism": 3, **spec})


def _at(index: int, phase: str = "Running", *, failures: int = 0, code: int = 1) -> Json:
    item = _pod(f"p{index}-{failures}", phase)
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
    status = _ledger(job, pods).status
    assert ([one.completion_index for one in _step(job, pods).create], status.get("completedIndexes")) == (
        create,
        completed,
    )


def test_an_indexed_job_remembers_what_was_completed() -> None:
    job = _indexed()
    job["status"] = {"completedIndexes": "0-3"}
    pods = [_at(4, "Succeeded")]
    status = _ledger(job, pods).status
    assert (_reason(_step(job, pods)), status["completedIndexes"]) == ("CompletionsReached", "0-4")
    assert (status["succeeded"], status["uncountedTerminatedPods"]) == (5, {})


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
    job = _indexed(backoffLimit=2**31 - 1, **spec)
    step = _step(job, pods)
    assert (_reason(step), _ledger(job, pods).status["failedIndexes"], step.create) == (reason, failed, create)


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
    job, ended_pod = _job(completions=1, backoffLimit=0, **policy), _at(-1, "Failed", code=42)
    ledger = _ledger(job, [ended_pod])
    assert (_reason(_step(job, [ended_pod])), ledger.let_go) == (reason, [ended_pod])
    assert settled(ledger.status, ()).get("failed") == failed


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
    step = _step(_indexed(successPolicy={"rules": [rule]}), [_at(0, "Succeeded"), _at(2, "Succeeded")])
    assert _reason(step) == reason


def test_containers_that_are_restarted_count_as_failures() -> None:
    job = _job(completions=1, backoffLimit=2, template={"spec": {"restartPolicy": "OnFailure"}})
    running = _pod("a")
    running["status"]["containerStatuses"] = [{"name": "c", "restartCount": 1}]
    assert _step(job, [running]).ending is None
    running["status"]["containerStatuses"][0]["restartCount"] = 2
    assert _reason(_step(job, [running])) == "BackoffLimitExceeded"


def test_an_index_reaches_its_pod() -> None:
    job = _indexed(template={"spec": {"containers": [{"name": "c", "env": [{"name": "A"}]}, {"name": "d"}]}})
    made = new_pod({**job, "apiVersion": "batch/v1", "kind": "Job"}, NewPod(3))
    assert (made["metadata"]["generateName"], made["spec"]["hostname"]) == ("j-3-", "j-3")
    assert (made["metadata"]["annotations"], made["metadata"]["finalizers"]) == ({INDEX: "3"}, [FINALIZER])
    names = [[item["name"] for item in container["env"]] for container in made["spec"]["containers"]]
    assert names == [["A", "JOB_COMPLETION_INDEX"], ["JOB_COMPLETION_INDEX"]]


def test_an_index_keeps_its_place_in_a_long_name() -> None:
    job = {**_indexed(template={"spec": {"containers": []}}), "apiVersion": "batch/v1", "kind": "Job"}
    job["metadata"]["name"] = "j" * 60
    assert new_pod(job, NewPod(1234))["metadata"]["generateName"] == "j" * 52 + "-1234-"


def test_a_pod_is_named_then_let_go_then_counted() -> None:
    job = _job(completions=3, parallelism=1)
    named = _ledger(job, [DONE])
    assert (named.status["uncountedTerminatedPods"], named.status.get("succeeded")) == ({"succeeded": ["done"]}, None)
    assert (named.status["active"], named.let_go) == (1, [DONE])
    # Nothing happened after that, or only the pod was let go: what is done again counts once.
    job["status"] = named.status
    assert (_ledger(job, [DONE]).status, _step(job, [DONE]).create) == (named.status, [NewPod()])
    released = pod("done", phase="Succeeded", ready=False)
    job["status"] = settled(named.status, ())
    assert (job["status"]["succeeded"], job["status"]["uncountedTerminatedPods"]) == (1, {})
    for pods in ([released], []):
        assert (_ledger(job, pods).status, _ledger(job, pods).let_go) == (job["status"], [])


def test_a_job_ends_when_its_pods_have() -> None:
    job, running = _job(completions=2, parallelism=2, backoffLimit=0), _pod("b")
    step = _step(job, [_failed("a"), running])
    assert (_reason(step), step.delete, step.lets_go) == ("BackoffLimitExceeded", [running], False)
    ledger = _ledger(job, [_failed("a"), running])
    assert [one["type"] for one in ledger.status["conditions"]] == ["FailureTarget"]
    assert ledger.status["uncountedTerminatedPods"] == {"failed": ["a", "b"]}
    job["status"] = settled(ledger.status, ())
    assert (job["status"]["failed"], job["status"]["terminating"]) == (2, 1)
    assert ended(job["status"], step.ending, NOW) == job["status"]
    going = pod("b", **GOING)
    assert ended(_ledger(job, [going]).status, step.ending, NOW)["conditions"][1:] == []
    last = ended(_ledger(job, []).status, _step(job, []).ending, NOW)
    assert [(one["type"], one["reason"]) for one in last["conditions"]] == [
        ("FailureTarget", "BackoffLimitExceeded"),
        ("Failed", "BackoffLimitExceeded"),
    ]
    assert (last["failed"], "completionTime" in last) == (2, False)


def test_what_a_success_policy_cuts_short_is_no_failure() -> None:
    job = _indexed(successPolicy={"rules": [{"succeededIndexes": "0"}]})
    ledger = _ledger(job, [_at(0, "Succeeded"), _at(1)])
    assert (ledger.status["uncountedTerminatedPods"], len(ledger.let_go)) == ({}, 2)


def test_the_first_success_of_a_job_without_completions_lets_the_others_finish() -> None:
    step = _step(_job(parallelism=3), [DONE, _pod("a"), _pod("b")])
    assert (step.create, step.delete, step.ending) == ([], [], None)


@pytest.mark.parametrize(("spec", "failed"), [({}, 1), ({"podReplacementPolicy": "Failed"}, None)])
def test_a_deleted_pod_has_failed_unless_its_end_is_waited_for(spec: Json, failed: int | None) -> None:
    job, going = _job(completions=1, parallelism=1, **spec), _pod("a", **GOING)
    ledger, step = _ledger(job, [going]), _step(job, [going])
    assert (settled(ledger.status, ()).get("failed"), ledger.let_go) == (failed, [going] if failed else [])
    assert (ledger.status["terminating"], step.create, step.again_s) == (1, [], 8 if failed else None)


def test_surplus_pods_are_let_go_before_they_are_deleted() -> None:
    twice = _at(0)
    twice["metadata"] = {**twice["metadata"], "name": "twice", "uid": "twice"}
    beyond = _at(7)
    step = _step(_indexed(completions=2, parallelism=2), [_at(0), twice, beyond, _at(1)])
    assert (len(step.delete), beyond in step.delete, step.lets_go) == (2, True, True)
    suspended = _step(_job(completions=2, parallelism=2, suspend=True), [_pod("a")])
    assert (suspended.delete, suspended.lets_go, suspended.ending) == ([_pod("a")], True, None)


def test_a_failed_pod_stays_until_its_successor_knows_how_often_it_failed() -> None:
    policy = _policy("Ignore", onExitCodes={"operator": "In", "values": [42]})
    for spec, counts in (({}, {FAILURES: "1"}), (policy, {FAILURES: "0", IGNORED: "1"})):
        job = {**_indexed(backoffLimitPerIndex=3, **spec), "apiVersion": "batch/v1", "kind": "Job"}
        job["spec"] |= {"completions": 1, "template": {"spec": {"containers": []}}}
        failed = _at(0, "Failed", code=42)
        assert _ledger(job, [failed]).let_go == []
        (wanted,) = _step(job, [failed]).create
        annotations = new_pod(job, wanted)["metadata"]["annotations"]
        assert annotations == {INDEX: "0", **counts}
        successor = _pod("successor", annotations=annotations)
        assert _ledger(job, [failed, successor]).let_go == [failed]


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_indexes_are_sets(some: set[int], others: set[int]) -> None:
    one, other = Indexes().with_more(some), Indexes().with_more(others)
    assert Indexes.parse(str(one), below=41) == one
    assert one.size() == len(some)
    assert one.common(other) == len(some & others)
    assert set(one.missing(41)) == set(range(41)) - some
    assert one.union(other) == Indexes().with_more(some | others)
