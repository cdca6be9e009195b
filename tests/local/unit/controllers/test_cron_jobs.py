from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade_local.controllers.cron_jobs import plan
from crossfade_local.cron import ScheduleError, parse_schedule, zone_of
from tests.local.unit.controllers.objects import Json

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)  # a Thursday


def _next(schedule: str, after: str, zone: str = "") -> str | None:
    moment = datetime.fromisoformat(after).astimezone(UTC)
    found = parse_schedule(schedule).after(moment, zone_of(zone))
    return found and found.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("* * * * *", "2026-01-01T12:00:00Z", "2026-01-01T12:01:00Z"),
        ("* * * * *", "2026-01-01T12:00:59.9Z", "2026-01-01T12:01:00Z"),
        ("*/15 * * * *", "2026-01-01T12:00:01Z", "2026-01-01T12:15:00Z"),
        ("5/20 * * * *", "2026-01-01T12:26:00Z", "2026-01-01T12:45:00Z"),
        ("0 9-17/4 * * *", "2026-01-01T13:30:00Z", "2026-01-01T17:00:00Z"),
        ("0 0 1 JAN,jul ?", "2026-01-01T12:00:00Z", "2026-07-01T00:00:00Z"),
        ("0 0 * * sun", "2026-01-01T12:00:00Z", "2026-01-04T00:00:00Z"),
        ("0 0 13 * fri", "2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z"),
        ("0 0 */2 * fri", "2026-01-02T12:00:00Z", "2026-01-03T00:00:00Z"),
        ("0 0 29 2 *", "2026-01-01T12:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 31 2 *", "2026-01-01T12:00:00Z", None),
        ("@hourly", "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"),
        ("@weekly", "2026-01-01T12:00:00Z", "2026-01-04T00:00:00Z"),
        ("@every 1h30m", "2026-01-01T12:00:00.5Z", "2026-01-01T13:30:00Z"),
        ("@every 1ms", "2026-01-01T12:00:00Z", "2026-01-01T12:00:01Z"),
        ("* * * * *", "9999-12-31T23:59:30Z", None),
    ],
)
def test_next_time(schedule: str, after: str, expected: str | None) -> None:
    assert _next(schedule, after) == expected


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("30 2 * * *", "2026-01-01T12:00:00Z", "2026-01-02T07:30:00Z"),
        # Left out by the clock in spring, twice on it in autumn.
        ("30 2 * * *", "2026-03-08T06:00:00Z", "2026-03-09T06:30:00Z"),
        ("30 1 * * *", "2026-11-01T04:00:00Z", "2026-11-01T05:30:00Z"),
        ("30 1 * * *", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
    ],
)
def test_next_time_on_a_clock_that_changes(schedule: str, after: str, expected: str) -> None:
    assert _next(schedule, after, "America/New_York") == expected


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("@fortnightly", "unrecognized descriptor: @fortnightly"),
        ("@every soon", "failed to parse duration"),
        ("TZ=UTC * * * * *", "cannot use TZ"),
        ("a * * * *", "failed to parse int from a"),
        ("\u0663 * * * *", "failed to parse int from"),
        (f"{'9' * 5000} * * * *", "failed to parse int from"),
        (", * * * *", "failed to parse minute"),
    ],
)
def test_what_is_no_schedule(schedule: str, problem: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(schedule)
    assert problem in str(caught.value)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "a\0b", "Europe", "/etc/localtime"])
def test_unknown_time_zones(name: str) -> None:
    with pytest.raises(ScheduleError, match="unknown time zone"):
        zone_of(name)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        schedule = parse_schedule(text)
    except ScheduleError:
        return
    found = schedule.after(NOW, UTC)
    assert found is None or found > NOW


def _cron_job(schedule: str = "*/10 * * * *", *, last: str | None = None, **spec: Any) -> Json:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly", "namespace": "prod", "uid": "c", "creationTimestamp": "2026-01-01T11:55:00Z"},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": {"template": {}}}, **spec},
        "status": {"lastScheduleTime": last} if last else {},
    }


def _due(cron_job: Json, now: datetime = NOW) -> plan.Due:
    return plan.due(cron_job, parse_schedule(cron_job["spec"]["schedule"]), now)


def test_what_is_due() -> None:
    assert _due(_cron_job()) == plan.Due(NOW, NOW + timedelta(minutes=10))
    assert _due(_cron_job(last="2026-01-01T12:00:00Z")).at is None
    assert _due(_cron_job(last="2026-01-01T11:20:00Z")).at == NOW
    assert _due(_cron_job("0 0 31 2 *")) == plan.Due(None, None)
    assert _due(_cron_job("0 13 * * *", timeZone="Europe/Berlin")).at == NOW


@pytest.mark.parametrize("schedule", ["* * * * *", "0 3 * * *", "*/7 2 * * 1", "@every 1s"])
def test_years_away_cost_little_and_the_last_time_counts(schedule: str) -> None:
    found = _due(_cron_job(schedule, last="2016-01-01T00:00:00Z"))
    assert found.has_missed_many
    assert found.at is not None
    assert found.at <= NOW < (parse_schedule(schedule).after(found.at, UTC) or NOW)


def test_a_deadline_bounds_how_late_a_job_may_begin() -> None:
    assert _due(_cron_job(last="2016-01-01T00:00:00Z", startingDeadlineSeconds=60)).at == NOW
    assert not _due(_cron_job(last="2016-01-01T00:00:00Z", startingDeadlineSeconds=60)).has_missed_many
    late = NOW + timedelta(seconds=90)
    assert _due(_cron_job(startingDeadlineSeconds=60), late).at is None
    assert _due(_cron_job(startingDeadlineSeconds=2**62), late).at == NOW
    assert plan.is_too_late(_cron_job(startingDeadlineSeconds=60), NOW, late)


def test_the_job_of_a_minute_has_one_name() -> None:
    job = plan.new_job(_cron_job(timeZone="Europe/Berlin"), NOW)
    assert job["metadata"]["name"] == "nightly-29454480"
    assert job["metadata"]["annotations"] == {plan.SCHEDULED_AT: "2026-01-01T13:00:00+01:00"}
    assert plan.new_job(_cron_job(), NOW)["metadata"]["annotations"] == {plan.SCHEDULED_AT: "2026-01-01T12:00:00Z"}


def test_the_oldest_finished_jobs_go() -> None:
    def job(name: str, ending: str) -> Json:
        status = {"startTime": f"2026-01-0{name[-1]}T00:00:00Z"}
        conditions = {"conditions": [{"type": ending, "status": "True"}]} if ending else {}
        return {"metadata": {"name": name}, "status": {**status, **conditions}}

    jobs = [job("a3", "Complete"), job("a1", "Complete"), job("a2", "Failed"), job("a4", "")]
    kept = _cron_job(successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0)
    assert [item["metadata"]["name"] for item in plan.surplus(kept, jobs)] == ["a1", "a2"]
