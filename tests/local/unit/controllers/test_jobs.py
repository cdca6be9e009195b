from datetime import UTC, datetime
from typing import Any

import pytest

from crossfade_local.controllers.jobs import next_step
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
        (_job(completions=1, completionMode="Indexed"), [], 0, "Unsupported"),
    ],
)
def test_next_step(job: Json, pods: list[Json], create: int, reason: str | None) -> None:
    step = next_step(job, pods, NOW)
    assert (step.create, step.finish[1] if step.finish else None) == (create, reason)


def test_a_failed_pod_is_replaced_after_a_growing_pause() -> None:
    one = next_step(_job(completions=1, parallelism=1), [_failed("a", "2026-01-01T11:59:58Z")], NOW)
    assert (one.create, one.again_s) == (0, 8)
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
