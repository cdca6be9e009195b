"""Whatever the server does to its watches, a reflector's sink ends up equal to the server, each change seen once."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.reflector import GONE_AFTER_S, Reflector
from crossfade_kube.resources import CONFIG_MAP
from crossfade_kube.watch import WatchEvent
from tests.support.fake_api import FakeApi, serving
from tests.support.waiting import eventually

MAPS = "/api/v1/namespaces/prod/configmaps"


class RecordingSink:
    """The state a consumer has, and the versions of every change applied on top of each list."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.versions: list[int] = []
        self.lists = 0

    def replace(self, items: list[dict[str, Any]]) -> None:
        self.lists += 1
        self.state = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}

    def apply(self, event: WatchEvent) -> None:
        metadata = event.object["metadata"]
        self.versions.append(int(metadata["resourceVersion"]))
        if event.type == "DELETED":
            del self.state[metadata["name"]]
        else:
            known = metadata["name"] in self.state
            assert known == (event.type == "MODIFIED"), "an event was lost or came twice"
            self.state[metadata["name"]] = metadata["resourceVersion"]


def _truth(api: FakeApi) -> dict[str, str]:
    return {path.rsplit("/", 1)[1]: obj["metadata"]["resourceVersion"] for path, obj in api.objects.items()}


# What a proxy in between, or a server with a fault, may put into a watch.
GARBAGE = (
    "<html>502</html>",
    "[]",
    "{}",
    '{"type":"ADDED"}',
    '{"type":"ERROR","object":"?"}',
    '{"type":"ADDED","object":{"metadata":null}}',
    '{"type":"MODIFIED","object":{"metadata":{"name":"a"}}}',
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc")),
        st.tuples(st.just("remove"), st.sampled_from("abc")),
        st.tuples(st.just("compact"), st.just("")),
        st.tuples(st.just("fail"), st.sampled_from(["500", "503", "429", "410"])),
        st.tuples(st.just("cut"), st.sampled_from("1234")),
        st.tuples(st.just("garble"), st.sampled_from(GARBAGE)),
        st.tuples(st.just("settle"), st.just("")),
    ),
    max_size=14,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_nothing_is_lost_or_repeated(steps: list[tuple[str, str]]) -> None:
    asyncio.run(_follow(steps))


async def _no_delay(_: float) -> None:
    await asyncio.sleep(0)


async def _follow(steps: list[tuple[str, str]]) -> None:
    api, sink = FakeApi(), RecordingSink()
    api.put(f"{MAPS}/first", {})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Reflector(client, CONFIG_MAP, sink, sleep=_no_delay).run())
        for action, argument in steps:
            match action:
                case "put":
                    api.put(f"{MAPS}/{argument}", {})
                case "remove" if f"{MAPS}/{argument}" in api.objects:
                    api.remove(f"{MAPS}/{argument}")
                case "compact":
                    api.compact()
                case "fail":
                    status = {"kind": "Status", "code": int(argument), "message": "as the test wishes"}
                    api.answers.append((int(argument), status, {}))
                case "cut":
                    api.events_per_watch = int(argument)
                case "garble":
                    api.garbled.append(argument.encode())
                case "settle":
                    await api.wake()
                    await eventually(lambda: sink.state == _truth(api))
        api.answers.clear()
        await api.wake()
        await eventually(lambda: sink.state == _truth(api), what=f"{sink.state} == {_truth(api)}")
        running.cancel()
    assert sink.versions == sorted(set(sink.versions)), "a change was applied twice or out of order"


class PickySink(RecordingSink):
    def apply(self, event: WatchEvent) -> None:
        if event.object["metadata"]["name"] == "odd":
            raise ZeroDivisionError("an odd object")
        super().apply(event)


async def test_an_object_that_the_sink_cannot_take_ends_nothing() -> None:
    api, sink = FakeApi(), PickySink()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        reflector = Reflector(client, CONFIG_MAP, sink, sleep=_no_delay)
        running = tasks.create_task(reflector.run())
        await reflector.synced.wait()
        for name in ("a", "odd", "b"):
            api.put(f"{MAPS}/{name}", {})
        await api.wake()
        await eventually(lambda: set(sink.state) == {"a", "b"})
        assert sink.lists == 1
        running.cancel()


async def test_a_sink_that_cannot_take_a_list_is_given_another() -> None:
    class SlowStarter(RecordingSink):
        def replace(self, items: list[dict[str, Any]]) -> None:
            super().replace(items)
            if self.lists < 3:
                raise ZeroDivisionError("not yet")

    api, sink = FakeApi(), SlowStarter()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        reflector = Reflector(client, CONFIG_MAP, sink, sleep=_no_delay)
        running = tasks.create_task(reflector.run())
        await asyncio.wait_for(reflector.synced.wait(), 5)
        assert sink.lists == 3
        running.cancel()


async def test_a_watch_goes_on_without_listing_again() -> None:
    api, sink = FakeApi(), RecordingSink()
    api.events_per_watch = 1
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        reflector = Reflector(client, CONFIG_MAP, sink, sleep=_no_delay)
        running = tasks.create_task(reflector.run())
        await reflector.synced.wait()
        for name in "abcdef":
            api.put(f"{MAPS}/{name}", {})
            await api.wake()
            await eventually(lambda: sink.state == _truth(api))
        running.cancel()
    assert sink.lists == 1


async def test_a_kind_that_is_not_installed_counts_as_empty() -> None:
    api, sink = FakeApi(), RecordingSink()
    unknown = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "unknown kind"}
    api.answers = [(404, unknown, {})]
    api.put(f"{MAPS}/a", {})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        reflector = Reflector(client, CONFIG_MAP, sink)
        running = tasks.create_task(reflector.run())
        await reflector.synced.wait()
        assert sink.state == {}
        await eventually(lambda: sink.state == _truth(api))
        running.cancel()


async def test_a_kind_that_vanishes_is_believed_gone_after_a_time_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Servers that start answer as if they did not know it."""
    api, sink, now = FakeApi(), RecordingSink(), 0.0
    api.put(f"{MAPS}/a", {})
    unknown = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "unknown kind"}
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        reflector = Reflector(client, CONFIG_MAP, sink, max_backoff_s=0.02, clock=lambda: now)
        running = asyncio.create_task(reflector.run())
        await eventually(lambda: sink.state == {"a": "1"})
        api.compact()
        api.answers = [(404, unknown, {})] * 3
        api.events_per_watch = 0
        await api.wake()
        await eventually(lambda: not api.answers)
        assert sink.state == {"a": "1"}
        now = GONE_AFTER_S + 1
        api.answers = [(404, unknown, {})] * 1000
        await eventually(lambda: sink.state == {})
        api.answers = []
        await eventually(lambda: sink.state == {"a": "1"})
        running.cancel()
    told = [record.getMessage() for record in caplog.records if record.name == "crossfade_kube.reflector"]
    assert told == ["kube.kind_gone"]
