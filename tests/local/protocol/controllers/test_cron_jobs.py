"""CronJobs on the embedded API server with a pretended node."""

from typing import Any

from crossfade_kube.resources import CRON_JOB, JOB
from tests.local.protocol.controllers.conftest import Bed, Json


async def _every_second(bed: Bed, **spec: Any) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "example.com/a"}]}
    template = {"spec": {"template": {"spec": pod}}}
    whole: Json = {"schedule": "@every 1s", "jobTemplate": template, **spec}
    await bed.create(CRON_JOB, {"metadata": {"name": "often"}, "spec": whole})


async def test_a_cron_job_makes_jobs_one_at_a_time_if_told_so(bed: Bed) -> None:
    await _every_second(bed, concurrencyPolicy="Forbid")

    async def started() -> Json | None:
        found = await bed.get(CRON_JOB, "often")
        return found if found and (found.get("status") or {}).get("active") else None

    found = await bed.until(started, "a job")
    (job,) = await bed.all(JOB)
    assert found["status"]["active"][0]["uid"] == job["metadata"]["uid"]
    await bed.until(lambda: bed.messages("JobAlreadyActive"), "the next time to come")
    assert len(await bed.all(JOB)) == 1
    await bed.patch(CRON_JOB, "often", {"spec": {"suspend": True}})
    await bed.client.delete(JOB, job["metadata"]["name"], namespace=bed.namespace, propagation_policy="Background")
    await bed.until(lambda: bed.messages("MissingJob"), "the job to be missed")
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "often", "uid": found["metadata"]["uid"]}
    foreign = {"name": "by-hand", "ownerReferences": [{**owner, "controller": True}]}
    await bed.create(JOB, {"metadata": foreign, "spec": found["spec"]["jobTemplate"]["spec"]})
    await bed.until(lambda: bed.messages("UnexpectedJob"), "a job that the controller did not make to be told of")


async def test_a_time_that_never_comes_is_told(bed: Bed) -> None:
    await _every_second(bed, schedule="0 0 31 2 *")
    assert await bed.until(lambda: bed.messages("InvalidSchedule"), "the schedule to be told of") == [
        "invalid schedule: 0 0 31 2 * : time difference between two schedules is less than 1 second"
    ]
