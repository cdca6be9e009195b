import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from crossfade_kube.client import Client
from crossfade_kube.events import (
    APART,
    BURST,
    COMBINED,
    MAX_MESSAGE,
    REMEMBERED_S,
    WAITING,
    EventLedger,
    EventRecorder,
    News,
)
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.meta import JsonObject, ObjectRef
from tests.support.fake_api import FakeApi, serving
from tests.support.kept import holders_of
from tests.support.waiting import eventually

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REF = ObjectRef("apps/v1", "ReplicaSet", "prod", "jazz", "u1")
NEWS = News(REF, "Warning", "FailedCreate", "no")


def entered(ledger: EventLedger, news: News, *, now: datetime = NOW, unique: int = 255) -> JsonObject:
    written = ledger.enter(news, now=now, unique=unique)
    assert written is not None
    return written.event


def test_the_same_news_raises_a_count() -> None:
    ledger = EventLedger("replicaset-controller")
    first = entered(ledger, NEWS)
    second = entered(ledger, NEWS, now=NOW + timedelta(seconds=7), unique=256)
    assert first["metadata"] == {"name": "jazz.ff", "namespace": "prod"}
    assert first["involvedObject"] == {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "jazz",
        "namespace": "prod",
        "uid": "u1",
    }
    assert (second["metadata"]["name"], second["count"]) == ("jazz.ff", 2)
    assert (second["firstTimestamp"], second["lastTimestamp"]) == ("2026-01-02T03:04:05Z", "2026-01-02T03:04:12Z")


def test_events_of_cluster_scoped_objects_go_to_default() -> None:
    event = entered(EventLedger("c"), NEWS._replace(ref=ObjectRef("v1", "Node", "", "n")))
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["involvedObject"]


def test_too_many_events_of_one_object_are_dropped_until_time_passes() -> None:
    ledger = EventLedger("c")
    news = [NEWS._replace(message=str(number)) for number in range(BURST + 1)]
    written = [ledger.enter(item, now=NOW, unique=1) for item in news]
    assert [one is None for one in written] == [False] * BURST + [True]
    other = NEWS._replace(ref=REF._replace(name="metal"))
    assert ledger.enter(other, now=NOW, unique=1) is not None
    assert ledger.enter(NEWS, now=NOW + timedelta(minutes=5, seconds=1), unique=1) is not None


def test_what_was_not_said_for_long_is_forgotten() -> None:
    ledger = EventLedger("c")
    others = [NEWS._replace(ref=REF._replace(name=f"other-{number}")) for number in range(100)]
    for item in others:
        ledger.enter(item, now=NOW, unique=1)
    for _ in range(3):
        ledger.enter(NEWS, now=NOW, unique=2)
    later = NOW + timedelta(seconds=REMEMBERED_S)
    again = entered(ledger, NEWS, now=later, unique=3)
    assert (again["metadata"]["name"], again["count"]) == ("jazz.2", 4)
    anew = entered(ledger, NEWS, now=later + timedelta(seconds=REMEMBERED_S + 1), unique=4)
    assert (anew["metadata"]["name"], anew["count"]) == ("jazz.4", 1)
    assert (len(ledger._known), len(ledger._buckets), len(ledger._similar)) == (1, 1, 1)


def test_many_alike_become_one() -> None:
    ledger = EventLedger("replicaset-controller")
    alike = [NEWS._replace(message=f"Created pod: jazz-{number}") for number in range(APART + 2)]
    *apart, first, second = [entered(ledger, item, unique=number) for number, item in enumerate(alike)]
    assert [event["count"] for event in apart] == [1] * APART
    assert {event["reportingComponent"] for event in apart} == {"replicaset-controller"}
    assert first["message"] == f"(combined from similar events): Created pod: jazz-{APART}"
    assert (first["reportingComponent"], first["source"]) == ("", {"component": "replicaset-controller"})
    assert (second["metadata"]["name"], second["count"]) == (first["metadata"]["name"], 2)
    assert second["message"].endswith(f"jazz-{APART + 1}")
    again = entered(ledger, alike[0], unique=99)
    assert (again["metadata"]["name"], again["count"]) == (apart[0]["metadata"]["name"], 2)
    other = entered(ledger, NEWS._replace(reason="FailedDelete", message="another reason"))
    assert other["message"] == "another reason"


def test_a_combined_message_fits_too() -> None:
    ledger = EventLedger("c")
    longest = [NEWS._replace(message=str(number) + "x" * (MAX_MESSAGE - 1)) for number in range(APART + 1)]
    assert len([entered(ledger, item) for item in longest][-1]["message"]) == MAX_MESSAGE


async def test_a_combined_event_tells_the_latest() -> None:
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        recorder = EventRecorder(client, "tester", now=lambda: NOW)
        running = tasks.create_task(recorder.run())
        for number in range(APART + 3):
            recorder.warning(REF, "FailedCreate", f"no {number}")
        await eventually(lambda: [event["count"] for event in api.objects.values()] == [1] * APART + [3])
        assert list(api.objects.values())[-1]["message"] == f"{COMBINED}no {APART + 2}"
        running.cancel()


async def test_events_are_created_then_patched_and_survive_their_expiry() -> None:
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        recorder = EventRecorder(client, "tester", now=lambda: NOW)
        running = tasks.create_task(recorder.run())
        recorder.warning(REF, "FailedCreate", "no")
        recorder.warning(REF, "FailedCreate", "no")
        await eventually(lambda: [event["count"] for event in api.objects.values()] == [2])
        [path] = api.objects
        api.remove(path)
        recorder.warning(REF, "FailedCreate", "no")
        await eventually(lambda: [event["count"] for event in api.objects.values()] == [1])
        running.cancel()


async def test_what_no_server_takes_is_dropped_and_told_in_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        recorder = EventRecorder(client, "tester", now=lambda: NOW)
        for number in range(WAITING + 500):
            recorder.warning(REF, "FailedCreate", f"no {number % 30}")
        assert recorder._waiting.qsize() == WAITING
        running = tasks.create_task(recorder.run())
        await eventually(lambda: any(record.message == "events.dropped" for record in caplog.records), within_s=20)
        running.cancel()
    told = [(record.message, record.fields.get("count")) for record in caplog.records if "drop" in record.message]
    assert told == [("events.dropping", None), ("events.dropped", 500)]


def test_what_is_remembered_is_small_whatever_was_said() -> None:
    ledger = EventLedger("c")
    news = NEWS._replace(ref=REF._replace(name="fleeting"), message="fleeting" * 100)
    for message in (news.message, "fleeting, again"):
        assert ledger.enter(news._replace(message=message), now=NOW, unique=1) is not None
    del news, message
    assert holders_of("fleeting") == []
