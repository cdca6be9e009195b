import asyncio

import pytest

from crossfade.controller.sources import ClusterSource, settled
from crossfade.store.snapshot import Snapshot
from crossfade_kube.client import Client
from crossfade_kube.core import ConfigMap, Lease
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.logging import EventLog
from tests.support.fake_api import FakeApi, serving

MAPS = "/api/v1/namespaces/prod/configmaps"


def _data(value: object) -> dict[str, object]:
    return {"metadata": {"namespace": "prod"}, "data": {"x": value}}


async def test_snapshots_follow_the_cluster_and_bad_objects_become_diagnostics() -> None:
    api = FakeApi()
    api.put(f"{MAPS}/a", _data("1"))
    api.put(f"{MAPS}/bad", _data(5))
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        source = ClusterSource(client, [ConfigMap, Lease], log=EventLog("test"))
        running = tasks.create_task(source.run())
        snapshots = aiter(source)
        first = await anext(snapshots)
        assert [item.metadata.name for item in first.all(ConfigMap)] == ["a"]
        [problem] = source.diagnostics()
        assert str(problem).startswith("ConfigMap prod/bad, data[...]: expected `str`, got `int`; ")
        for number in range(20):
            api.put(f"{MAPS}/a", _data(str(number)))
        await api.wake()
        second = await asyncio.wait_for(anext(snapshots), 5)
        found = second.get(ConfigMap, "prod", "a")
        assert found is not None
        assert found.data == {"x": "19"}
        running.cancel()


async def test_a_kind_on_demand_is_known_before_anything_is_decided_with_it() -> None:
    api = FakeApi()
    api.put(f"{MAPS}/a", _data("no"))
    api.put("/apis/coordination.k8s.io/v1/namespaces/prod/leases/l", {"metadata": {"namespace": "prod"}, "spec": {}})

    def asks(snapshot: Snapshot) -> bool:
        return any(item.data["x"] == "yes" for item in snapshot.all(ConfigMap))

    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        source = ClusterSource(client, [ConfigMap], log=EventLog("test"), on_demand={Lease: asks})
        running = tasks.create_task(source.run())
        snapshots = aiter(source)
        assert not (await anext(snapshots)).all(Lease)
        assert not [path for _, path, _, _ in api.requests if "leases" in path]
        api.put(f"{MAPS}/a", _data("yes"))
        await api.wake()
        second = await asyncio.wait_for(anext(snapshots), 5)
        assert [item.metadata.name for item in second.all(Lease)] == ["l"]
        running.cancel()


async def test_unrest_ends_after_a_while() -> None:
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def disturb() -> None:
        while True:
            changed.set()
            await asyncio.sleep(0.002)

    disturbing = asyncio.create_task(disturb())
    started = loop.time()
    await settled(changed, quiet_s=0.05, max_unrest_s=0.1)
    assert loop.time() - started < 0.5
    disturbing.cancel()


@pytest.mark.parametrize("turns", range(4))
async def test_who_waits_for_quiet_can_be_stopped_in_the_moment_of_a_change(turns: int) -> None:
    changed = asyncio.Event()
    waiting = asyncio.create_task(settled(changed, quiet_s=60, max_unrest_s=60))
    for _ in range(3):
        await asyncio.sleep(0)
    changed.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    done, _ = await asyncio.wait([waiting], timeout=1)
    assert done == {waiting}
    assert waiting.cancelled()
