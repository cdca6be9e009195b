import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from crossfade_kube.client import Client
from crossfade_kube.core.lease import LeaseSpec
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.lease import LeaderElection, LeadershipLost, LeaseTimes, claimed
from tests.support.fake_api import FakeApi, serving
from tests.support.waiting import eventually

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
STAMP = "2026-01-02T03:04:05.678000Z"
PATH = "/apis/coordination.k8s.io/v1/namespaces/kong/leases/leader"
HELD = LeaseSpec("other", 15, "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000000Z", 3)


@pytest.mark.parametrize(
    ("spec", "is_expired", "expected"),
    [
        (LeaseSpec(), False, LeaseSpec("me", 15, STAMP, STAMP, 0)),
        (HELD, False, None),
        (HELD, True, LeaseSpec("me", 15, STAMP, STAMP, 4)),
        (LeaseSpec("", 1, HELD.acquire_time, HELD.renew_time, 3), False, LeaseSpec("me", 15, STAMP, STAMP, 4)),
        (LeaseSpec("me", 15, HELD.acquire_time, "x", 3), False, LeaseSpec("me", 15, HELD.acquire_time, STAMP, 3)),
    ],
)
def test_who_may_claim(spec: LeaseSpec, is_expired: bool, expected: LeaseSpec | None) -> None:
    assert claimed(spec, identity="me", now=NOW, duration_s=15, is_expired=is_expired) == expected


def _candidate(client: Client, identity: str, **options: Any) -> LeaderElection:
    times = LeaseTimes(duration_s=1, renew_within_s=0.3, retry_s=0.02)
    return LeaderElection(client, namespace="kong", name="leader", identity=identity, times=times, **options)


async def _forever() -> None:
    await asyncio.Event().wait()


async def test_one_leads_and_the_next_takes_over_at_once() -> None:
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        first, second = _candidate(client, "a"), _candidate(client, "b")
        leading = tasks.create_task(first.lead(_forever))
        await eventually(lambda: first.is_leader)
        waiting = tasks.create_task(second.lead(_forever))
        renewals = api.version
        await eventually(lambda: api.version > renewals + 3)
        assert not second.is_leader
        leading.cancel()
        await eventually(lambda: second.is_leader, within_s=0.5)
        assert not first.is_leader
        waiting.cancel()
    assert api.objects[PATH]["spec"]["holderIdentity"] == ""


async def test_who_is_about_to_end_does_not_begin_to_lead_but_goes_on_leading() -> None:
    api, ending = FakeApi(), {"a": True, "b": False}
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        first, second = (_candidate(client, name, stands_back=partial(ending.__getitem__, name)) for name in ending)
        waiting = tasks.create_task(first.lead(_forever))
        leading = tasks.create_task(second.lead(_forever))
        await eventually(lambda: second.is_leader)
        ending["b"] = True
        renewals = api.version
        await eventually(lambda: api.version > renewals + 2)
        assert second.is_leader
        leading.cancel()
        await eventually(lambda: api.objects[PATH]["spec"]["holderIdentity"] == "")
        assert not first.is_leader
        ending["a"] = False
        await eventually(lambda: first.is_leader)
        waiting.cancel()


async def test_a_leader_that_cannot_renew_stops_working() -> None:
    api = FakeApi()
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        election = _candidate(client, "a")
        leading = tasks.create_task(election.lead(work))
        await eventually(lambda: election.is_leader)
        stored = api.objects[PATH]
        api.put(PATH, {**stored, "spec": {**stored["spec"], "holderIdentity": "thief"}})
        await asyncio.wait_for(ended.wait(), 2)
        await eventually(lambda: not election.is_leader)
        leading.cancel()


async def test_leading_ends_with_the_work() -> None:
    api = FakeApi()

    async def work() -> None:
        return

    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        await asyncio.wait_for(_candidate(client, "a").lead(work), 2)
    assert api.objects[PATH]["spec"]["holderIdentity"] == ""


async def test_who_loses_the_lease_while_it_is_stopped_does_not_run_for_it_again() -> None:
    api = FakeApi()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LeadershipLost

    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        election = _candidate(client, "a")
        leading = asyncio.create_task(election.lead(work))
        await eventually(lambda: election.is_leader)
        leading.cancel()
        done, _ = await asyncio.wait([leading], timeout=2)
        assert done == {leading}
        assert leading.cancelled()


async def test_a_lease_that_cannot_be_read_is_nobodys_end() -> None:
    api = FakeApi()
    api.put(PATH, {"metadata": {"namespace": "kong"}, "spec": {"leaseDurationSeconds": "soon"}})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        election = _candidate(client, "a")
        leading = tasks.create_task(election.lead(_forever))
        await eventually(lambda: len(api.requests) > 3)
        assert not election.is_leader
        api.put(PATH, {"metadata": {"namespace": "kong"}, "spec": {}})
        await eventually(lambda: election.is_leader)

        def is_lost() -> bool:
            # Again and again: a renewal on its way would make it readable.
            api.put(PATH, {"metadata": {"namespace": "kong"}, "spec": {"leaseDurationSeconds": "soon"}})
            return not election.is_leader

        await eventually(is_lost)
        leading.cancel()


async def test_who_is_stopped_while_it_claims_leaves_the_lease_to_the_next() -> None:
    """Wherever it is at that moment: before it asks, while it asks, while it writes, while it leads."""
    for turns in range(0, 60, 2):
        api = FakeApi()
        async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
            leading = asyncio.create_task(_candidate(client, "dying").lead(_forever))
            for _ in range(turns):
                await asyncio.sleep(0)
            leading.cancel()
            await asyncio.wait([leading], timeout=2)
            assert leading.cancelled()
            await asyncio.sleep(0.01)
        holder = api.objects[PATH]["spec"]["holderIdentity"] if PATH in api.objects else ""
        assert (turns, holder) == (turns, "")


async def test_who_is_stopped_does_not_wait_for_a_server_that_is_silent() -> None:
    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        writers.append(writer)

    accepted, writers = asyncio.Event(), list[asyncio.StreamWriter]()
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with Client(ClusterConfig(server=url)) as client:
        leading = asyncio.create_task(_candidate(client, "a").lead(_forever))
        await asyncio.wait_for(accepted.wait(), 2)
        leading.cancel()
        done, _ = await asyncio.wait([leading], timeout=1.5)
        assert done == {leading}
    for writer in writers:
        writer.close()
    server.close()
