"""The client's parts against the embedded API server: leases, events and apply."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from crossfade_kube.client import JSON_PATCH, STRATEGIC, Client
from crossfade_kube.errors import Conflict, Invalid, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.lease import LeaderElection, LeaseTimes
from crossfade_kube.meta import ObjectRef
from crossfade_kube.resources import CONFIG_MAP, EVENT, LEASE, NAMESPACE, SERVICE
from tests.support.api_server import ApiServerProcess
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServerProcess]:
    process = ApiServerProcess(tmp_path_factory.mktemp("apiserver"))
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def client(server: ApiServerProcess) -> AsyncIterator[Client]:
    async with Client(load_kubeconfig(server.kubeconfig), user_agent="tester/1.0") as made:
        yield made


def _map(name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


async def test_every_way_to_change_an_object(client: Client) -> None:
    await client.create(CONFIG_MAP, _map("a", x="1"))
    await client.patch(CONFIG_MAP, "a", {"data": {"y": "2"}}, namespace="default")
    await client.patch(CONFIG_MAP, "a", {"data": {"x": None}}, namespace="default", content_type=STRATEGIC)
    operations = [{"op": "add", "path": "/data/z", "value": "3"}]
    await client.patch(CONFIG_MAP, "a", operations, namespace="default", content_type=JSON_PATCH)
    stored = await client.apply(CONFIG_MAP, _map("a", own="4"), field_manager="me")
    assert stored["data"] == {"y": "2", "z": "3", "own": "4"}
    with pytest.raises(Conflict):
        await client.apply(CONFIG_MAP, _map("a", own="5"), field_manager="other", force=False)
    with pytest.raises(Invalid) as refused:
        await client.create(SERVICE, {"metadata": {"name": "no-port", "namespace": "default"}, "spec": {}})
    assert refused.value.details["causes"][0]["field"] == "spec.ports"
    await client.delete(CONFIG_MAP, "a", namespace="default")


async def test_one_leader(client: Client) -> None:
    times = LeaseTimes(duration_s=2, renew_within_s=1.0, retry_s=0.02)
    candidates = [
        LeaderElection(client, namespace="default", name="leader", identity=name, times=times) for name in "ab"
    ]

    async def work() -> None:
        await asyncio.Event().wait()

    leading = [asyncio.create_task(candidate.lead(work)) for candidate in candidates]
    await eventually(lambda: sum(candidate.is_leader for candidate in candidates) == 1)
    first = next(number for number, candidate in enumerate(candidates) if candidate.is_leader)
    leading[first].cancel()
    await eventually(lambda: candidates[1 - first].is_leader)
    lease = await client.get(LEASE, "leader", namespace="default")
    assert lease["spec"]["holderIdentity"] == "ab"[1 - first]
    assert lease["spec"]["leaseTransitions"] == 1
    leading[1 - first].cancel()
    await asyncio.gather(*leading, return_exceptions=True)


async def test_events_are_counted(client: Client) -> None:
    version = (await client.list(EVENT, namespace="default")).resource_version
    recorder = EventRecorder(client, "tester")
    running = asyncio.create_task(recorder.run())
    ref = ObjectRef("v1", "ConfigMap", "default", "a", "u")
    for _ in range(3):
        recorder.warning(ref, "Odd", "it is odd")
    watch = client.watch(EVENT, namespace="default", resource_version=version, field_selector="reason=Odd")
    seen = []
    async with asyncio.timeout(60), aclosing(watch) as events:
        async for event in events:
            seen.append((event.type, event.object["count"]))
            if len(seen) == 3:
                break
    assert seen == [("ADDED", 1), ("MODIFIED", 2), ("MODIFIED", 3)]
    running.cancel()


async def test_what_is_not_there(client: Client) -> None:
    with pytest.raises(NotFound) as missing:
        await client.get(NAMESPACE, "nowhere")
    assert missing.value.message == 'namespaces "nowhere" not found'
    with pytest.raises(NotFound):
        await client.create(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "nowhere"}})
