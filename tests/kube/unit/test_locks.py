"""Leaders where the role is older than Leases."""

import asyncio
import json

from crossfade_kube.client import Client
from crossfade_kube.core.lease import LeaseSpec
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.lease import LeaderElection, LeaseTimes
from crossfade_kube.locks import ANNOTATION, ConfigMapLock
from tests.support.fake_api import FakeApi, serving
from tests.support.waiting import eventually

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kong/leases/leader"
MAP = "/api/v1/namespaces/kong/configmaps/leader-kong"
NO_LEASES = {("GET", "/leases/"), ("POST", "/leases"), ("PUT", "/leases/")}
NO_MAPS = {("GET", "/configmaps/"), ("POST", "/configmaps"), ("PUT", "/configmaps/")}
TIMES = LeaseTimes(duration_s=1, renew_within_s=0.3, retry_s=0.02)


def candidate(client: Client, identity: str, config_map: str | None = "leader-kong") -> LeaderElection:
    return LeaderElection(
        client, namespace="kong", name="leader", identity=identity, config_map=config_map, times=TIMES
    )


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_config_map_takes_the_place_of_a_lease() -> None:
    api = FakeApi()
    api.forbidden |= NO_LEASES
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        first, second = candidate(client, "a"), candidate(client, "b")
        leading = tasks.create_task(first.lead(forever))
        await eventually(lambda: first.is_leader)
        waiting = tasks.create_task(second.lead(forever))
        before = api.version
        await eventually(lambda: api.version > before + 3)
        assert not second.is_leader
        record = json.loads(api.objects[MAP]["metadata"]["annotations"][ANNOTATION])
        assert record["holderIdentity"] == "a"
        assert record.keys() == {
            "holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime", "leaderTransitions"
        }  # fmt: skip
        assert "." not in record["renewTime"]
        leading.cancel()
        await eventually(lambda: second.is_leader, within_s=0.5)
        waiting.cancel()


async def test_without_the_right_to_either_it_leads_alone() -> None:
    api = FakeApi()
    api.forbidden |= NO_LEASES | NO_MAPS
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        only = candidate(client, "a")
        leading = tasks.create_task(only.lead(forever))
        await eventually(lambda: only.is_leader)
        asked = len(api.requests)
        await asyncio.sleep(3 * TIMES.retry_s)
        assert only.is_leader
        assert len(api.requests) == asked
        leading.cancel()
    assert api.objects == {}


async def test_a_lease_that_was_ours_is_not_exchanged() -> None:
    """Another replica may hold it by now."""
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        only = candidate(client, "a")
        leading = tasks.create_task(only.lead(forever))
        await eventually(lambda: only.is_leader)
        api.forbidden |= NO_LEASES
        await eventually(lambda: not only.is_leader)
        asked = len(api.requests)
        await eventually(lambda: len(api.requests) > asked + 5)
        assert not only.is_leader
        assert MAP not in api.objects
        leading.cancel()


async def test_who_has_no_other_lock_waits_for_the_right() -> None:
    api = FakeApi()
    api.forbidden |= NO_LEASES
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        only = candidate(client, "a", config_map=None)
        leading = tasks.create_task(only.lead(forever))
        await eventually(lambda: len(api.requests) > 5)
        assert not only.is_leader
        api.forbidden.clear()
        await eventually(lambda: only.is_leader)
        leading.cancel()


def test_records_of_other_controllers_are_read() -> None:
    record = {
        "holderIdentity": "other",
        "leaseDurationSeconds": 30,
        "acquireTime": "2026-01-01T00:00:00Z",
        "renewTime": "2026-01-01T00:00:09Z",
        "leaderTransitions": 2,
    }
    lock = ConfigMapLock(Client(ClusterConfig(server="http://none")), namespace="kong", name="x")
    stored = {"metadata": {"name": "x", "annotations": {ANNOTATION: json.dumps(record)}}}
    assert lock.spec_of(stored) == LeaseSpec("other", 30, "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", 2)
    assert lock.spec_of({"metadata": {"name": "x"}}) == LeaseSpec()
