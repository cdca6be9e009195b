"""What goes wrong with one pod stays with it, and pods of one name follow each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from crossfade_kube.client import Client
from crossfade_kube.events import EventRecorder, News
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.watch import WatchEvent
from crossfade_local import network
from crossfade_local.catalogue import Catalogue
from crossfade_local.kubelet.agent import NODE_NAME, Agent
from crossfade_local.kubelet.ids import IdMap
from crossfade_local.kubelet.machine import Machine
from crossfade_local.kubelet.rootfs import MachineView
from crossfade_local.kubelet.service_links import ServiceLinks
from crossfade_local.local_volumes import LocalVolumes
from crossfade_local.namespaces import Namespaces
from crossfade_local.netlink import Netlink
from tests.support.fake_api import FakeApi, serving
from tests.support.waiting import eventually

KEY: Final = NamespacedName("ns", "a")
# No file can be opened on it: every use is an OSError.
LOST: Final = Namespaces(net=-1, uts=-1)


class Bench:
    """An agent that is asked to run pods which cannot start, over an API in memory; its pauses take no time."""

    def __init__(self, api: FakeApi, client: Client, folder: Path, tasks: asyncio.TaskGroup) -> None:
        self.api = api
        self.pauses: list[float] = []
        self.recorder = EventRecorder(client, "kubelet")
        machine = Machine(
            client=client,
            recorder=self.recorder,
            # Making one mounts the machine's files; no pod here gets as far as a root of its own.
            view=cast("MachineView", SimpleNamespace(memory=folder / "memory")),
            catalogue=Catalogue(None, ()),
            links=Netlink(),
            node_namespace=-1,
            addresses=network.AddressPool(),
            directory=folder,
            volumes=LocalVolumes(folder / "volumes"),
            ids=IdMap((range(1),), (range(1),)),
            services=ServiceLinks(),
            base_env={},
            capacity={},
            sleep=self._pause,
        )
        self.links = machine.links
        self.agent = Agent(machine, tasks=tasks)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def tell(self, kind: Any, uid: str, **more: Any) -> None:
        self.agent.apply(WatchEvent(kind, pod(uid, **more)))

    def told(self, reason: str) -> list[News]:
        waiting = self.recorder._waiting
        found = [waiting.get_nowait() for _ in range(waiting.qsize())]
        for news in found:
            waiting.put_nowait(news)
        return [news for news in found if news.reason == reason]


def pod(uid: str, *, name: str = "a", node: str = NODE_NAME, version: str = "1") -> JsonObject:
    spec = {"nodeName": node, "hostNetwork": True, "containers": [{"name": "c", "image": "none"}]}
    return {"metadata": {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": version}, "spec": spec}


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        made = Bench(api, client, folder, tasks)
        try:
            yield made
            made.agent.replace([])
            await eventually(lambda: not made.agent.workers, what="all pods ended")
        finally:
            made.links._socket.close()


async def test_a_clean_up_that_fails_is_tried_again_and_ends_no_other_pod(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.tell("ADDED", "one")
        made.tell("ADDED", "two", name="b")
        worker = made.agent.workers[KEY]
        worker._sandbox = LOST
        made.tell("DELETED", "one")
        await eventually(lambda: len(made.pauses) > 8)
        assert len(made.told("FailedKillPod")) == 1
        assert made.pauses[0] <= 2 < made.pauses[4] <= 60
        assert {key.name for key in made.agent.workers} == {"a", "b"}
        worker._sandbox = None
        await eventually(lambda: {key.name for key in made.agent.workers} == {"b"})


async def test_the_newest_pod_of_a_name_begins_when_nothing_is_left_of_the_first(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.tell("ADDED", "first")
        first = made.agent.workers[KEY]
        first._sandbox = LOST
        made.tell("ADDED", "second")
        made.tell("MODIFIED", "second", version="2")
        made.tell("DELETED", "second", version="3")
        made.tell("ADDED", "third", version="4")
        made.tell("MODIFIED", "third", version="5")
        await eventually(lambda: len(made.pauses) > 2)
        assert made.agent.workers == {KEY: first}
        first._sandbox = None
        await eventually(lambda: made.agent.workers.get(KEY) not in (None, first))
        assert made.agent.workers[KEY].pod["metadata"] == pod("third", version="5")["metadata"]


async def test_a_pod_that_vanished_while_it_waited_never_begins(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.tell("ADDED", "first")
        first = made.agent.workers[KEY]
        first._sandbox = LOST
        made.tell("ADDED", "second")
        made.agent.replace([pod("other", name="b")])
        first._sandbox = None
        await eventually(lambda: KEY not in made.agent.workers)
        assert [key.name for key in made.agent.workers] == ["b"]


async def test_a_pod_that_cannot_be_read_is_told_of_and_no_other_is_stopped(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.agent.replace([{"metadata": {"namespace": "ns", "name": "odd", "uid": "0"}}, pod("one")])
        assert list(made.agent.workers) == [KEY]
        assert [news.ref.name for news in made.told("FailedSync")] == ["odd"]


async def test_folders_of_pods_that_are_gone_are_removed_at_the_first_list_only(tmp_path: Path) -> None:
    def folders() -> set[str]:
        return {f"{one.parent.name}/{one.name}" for place in ("pods", "logs") for one in (tmp_path / place).iterdir()}

    for folder in ("pods/known/volumes", "pods/gone/volumes/emptyDir", "logs/known", "logs/gone"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "logs/node.log").touch()
    async with bench(tmp_path) as made:
        made.agent.replace([pod("known", node="another")])
        await eventually(lambda: folders() == {"pods/known", "logs/known", "logs/node.log"})
        (tmp_path / "pods/later").mkdir()
    assert "pods/later" in folders()
