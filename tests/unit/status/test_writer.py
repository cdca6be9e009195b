import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from crossfade.api.appmesh import Mesh
from crossfade.status.change import News, ObjectChange
from crossfade.status.writer import StatusWriter
from crossfade_kube.client import Client
from crossfade_kube.events import EventRecorder
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.merge_patch import merge_patched
from crossfade_kube.meta import ObjectRef
from tests.support.fake_api import FakeApi, serving
from tests.support.waiting import eventually

PATH = "/apis/appmesh.k8s.aws/v1beta2/meshes/m"
OTHER_PATH = "/apis/appmesh.k8s.aws/v1beta2/meshes/b"
HOLD_S = 0.02
REF = ObjectRef("appmesh.k8s.aws/v1beta2", "Mesh", "", "m", "u")


def change(status: str, basis: str = "1", *news: News) -> ObjectChange:
    return ObjectChange(REF, Mesh.RESOURCE, basis, {"status": {"x": status}}, None, news)


def other(name: str, status: str, basis: str = "1") -> ObjectChange:
    return ObjectChange(REF._replace(name=name), Mesh.RESOURCE, basis, {"status": {"x": status}})


class Desk:
    """A running writer and the server that it writes to."""

    def __init__(self, api: FakeApi, writer: StatusWriter, tally: Counter[tuple[str, str]]) -> None:
        self.api = api
        self.writer = writer
        self._tally = tally

    async def wait_until_noted(self, count: int) -> None:
        """The writer knows of an answer a moment after the server has what was written."""
        await eventually(lambda: self._tally["Mesh", "written"] == count)

    def patches(self) -> list[str]:
        return [path for method, path, _, _ in self.api.requests if method == "PATCH"]

    def events(self) -> list[str]:
        return [obj["message"] for path, obj in self.api.objects.items() if "/events/" in path]

    def written(self) -> Any:
        return self.api.objects[PATH].get("status")


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def desk(sleep: Callable[[float], Awaitable[None]] = at_once) -> AsyncIterator[Desk]:
    api = FakeApi()
    api.put(PATH, {"metadata": {"name": "m"}})
    api.put(OTHER_PATH, {"metadata": {"name": "b"}})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        events = EventRecorder(client, "test")
        tally: Counter[tuple[str, str]] = Counter()
        writer = StatusWriter(client, events, tally=tally, sleep=sleep, hold_s=HOLD_S)
        tasks = [asyncio.create_task(writer.run()), asyncio.create_task(events.run())]
        try:
            yield Desk(api, writer, tally)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_only_the_latest_decision_is_written() -> None:
    async with desk() as made:
        made.writer.submit([change("old"), change("new")])
        await eventually(lambda: made.written() == {"x": "new"})
        assert len(made.patches()) == 1


async def test_a_decision_on_the_same_basis_is_not_written_twice() -> None:
    async with desk() as made:
        made.writer.submit([change("a")])
        await made.wait_until_noted(1)
        made.writer.submit([change("a")])
        made.writer.submit([change("b", "2")])
        await eventually(lambda: made.written() == {"x": "b"})
        assert len(made.patches()) == 2


async def test_failures_are_tried_again_and_conflicts_are_not() -> None:
    async with desk() as made:
        made.api.answers.append((500, {"kind": "Status", "reason": "InternalError", "code": 500}, {}))
        made.writer.submit([change("a")])
        await eventually(lambda: made.written() == {"x": "a"})
        assert len(made.patches()) == 2
        made.api.answers.append((409, {"kind": "Status", "reason": "Conflict", "code": 409}, {}))
        made.writer.submit([change("lost", "2")])
        await eventually(lambda: len(made.patches()) == 3)
        made.writer.submit([change("b", "3")])
        await eventually(lambda: made.written() == {"x": "b"})
        assert len(made.patches()) == 4


async def test_what_is_no_longer_so_is_not_written() -> None:
    """An earlier decision that could not be written is withdrawn by a later one that has nothing to say."""
    refused = asyncio.Event()

    async def after_a_newer_decision(_: float) -> None:
        refused.set()
        await asyncio.sleep(0)

    api = FakeApi()
    api.put(PATH, {"metadata": {"name": "m"}})
    api.answers.append((500, {"kind": "Status", "reason": "InternalError", "code": 500}, {}))
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        writer = StatusWriter(client, EventRecorder(client, "test"), sleep=after_a_newer_decision)
        running = tasks.create_task(writer.run())
        writer.submit([change("outdated")])
        await refused.wait()
        writer.submit([])
        other = ObjectChange(REF._replace(name="other"), Mesh.RESOURCE, "1", {"status": {"x": "new"}})
        api.put(f"{PATH[:-1]}other", {"metadata": {"name": "other"}})
        writer.submit([other])
        await eventually(lambda: sum(method == "PATCH" for method, _, _, _ in api.requests) == 2)
        running.cancel()
    assert "status" not in api.objects[PATH]


async def test_what_is_no_longer_decided_is_withdrawn() -> None:
    async with desk() as made:
        made.writer.submit([change("outdated")])
        made.writer.submit([])
        made.writer.submit([other("b", "first")])
        await eventually(lambda: made.api.objects[OTHER_PATH].get("status") == {"x": "first"})
        made.api.answers += [(503, {"kind": "Status", "code": 503}, {})] * 3
        made.writer.submit([change("fails")])
        await eventually(lambda: not made.api.answers)
        made.writer.submit([other("b", "second", "2")])
        await eventually(lambda: made.api.objects[OTHER_PATH].get("status") == {"x": "second"})
        assert made.written() != {"x": "outdated"}


async def test_the_very_same_change_is_dealt_with_once() -> None:
    async with desk() as made:
        same, refused = change("a"), other("b", "refused")
        made.api.answers.append((422, {"kind": "Status", "reason": "Invalid", "code": 422}, {}))
        made.writer.submit([refused])
        await eventually(lambda: len(made.patches()) == 1)
        for _ in range(3):
            made.writer.submit([same, refused])
            await eventually(lambda: made.written() == {"x": "a"})
        made.writer.submit([other("b", "refused")])
        made.writer.submit([change("b", "2")])
        await eventually(lambda: made.written() == {"x": "b"})
        assert len(made.patches()) == 3


async def test_an_object_that_cannot_be_written_stops_no_other() -> None:
    async with desk() as made:
        unwritable = ObjectChange(REF._replace(name=""), Mesh.RESOURCE, "1", {"status": {}})
        made.writer.submit([unwritable, other("b", "x")])
        await eventually(lambda: made.api.objects[OTHER_PATH].get("status") == {"x": "x"})
        made.writer.submit([change("a")])
        await eventually(lambda: made.written() == {"x": "a"})


async def test_a_failing_object_does_not_hold_up_the_others() -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.Event().wait()

    async with desk(sleep=pause) as made:
        made.api.answers.append((500, {"kind": "Status", "code": 500}, {}))
        failing = change("a")
        made.writer.submit([failing])
        await eventually(lambda: pauses)
        made.writer.submit([failing, other("b", "x")])
        await eventually(lambda: made.api.objects[OTHER_PATH].get("status") == {"x": "x"})
        assert len(made.patches()) == 2


async def test_news_without_a_patch_is_told_once() -> None:
    async with desk() as made:
        waiting = ObjectChange(REF, Mesh.RESOURCE, "1", news=(News("Waiting", "for members"),))
        made.writer.submit([waiting])
        await eventually(lambda: made.events() == ["for members"])
        made.writer.submit([waiting])
        made.writer.submit([change("a", "2", News("Changed", "to a"))])
        await eventually(lambda: sorted(made.events()) == ["for members", "to a"])


async def test_whoever_writes_against_us_is_not_answered_at_once_for_ever() -> None:
    loop = asyncio.get_running_loop()
    async with desk() as found:
        begun = loop.time()
        for turn in range(30):
            found.api.put(PATH, {"metadata": {"name": "m"}, "status": {"x": "theirs"}})
            found.writer.submit([change("ours", basis=str(turn))])
            await asyncio.sleep(0.01)
        # Two at once, the next after 1, 2, 4 s: none of those unless the machine is busy.
        assert 2 <= len(found.patches()) <= 2 + math.log2(1 + loop.time() - begun)
        # What is held is written when its time has come, unless nobody wants it any more.
        await eventually(lambda: len(found.patches()) >= 3)
        found.writer.submit([change("ours", basis="again")])
        found.writer.submit([])
        found.writer.submit([change("else", basis="more")])
        await eventually(lambda: found.written() == {"x": "else"})


async def test_an_update_takes_the_place_of_a_patch_that_is_forbidden() -> None:
    async with desk() as it:
        it.api.forbidden.add(("PATCH", "/meshes/"))
        it.writer.submit([change("a"), other("b", "c")])
        await it.wait_until_noted(2)
        asked = it.patches()
        it.writer.submit([change("d", "2")])
        await eventually(lambda: it.written() == {"x": "d"})
        assert it.patches() == asked, "the kind is known by now"


async def test_what_is_forbidden_altogether_is_given_up_and_news_are_told() -> None:
    async with desk() as it:
        it.api.forbidden |= {("PATCH", "/meshes/"), ("PUT", "/meshes/")}
        it.writer.submit([change("a", "1", News("Bad", "it is told"))])
        await eventually(lambda: it.events() == ["it is told"])
        asked = len(it.patches())
        it.writer.submit([change("a", "1", News("Bad", "it is told"))])
        await asyncio.sleep(0.05)
        assert len(it.patches()) == asked


def test_a_merge_patch_is_that_of_the_rfc() -> None:
    target = {"a": {"b": 1, "c": 2}, "d": [1], "e": "x"}
    assert merge_patched(target, {"a": {"b": None, "z": 3}, "d": [2], "e": {"f": None}}) == {
        "a": {"c": 2, "z": 3},
        "d": [2],
        "e": {},
    }
