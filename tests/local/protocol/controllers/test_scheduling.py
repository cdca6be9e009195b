"""Pods find their node, wait for it with a reason, or have to leave it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from crossfade_kube.resources import EVENT, NODE, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD
from tests.local.protocol.controllers.conftest import Bed
from tests.support.fake_kubelet import NODE_NAME

Json = dict[str, Any]


@pytest.fixture
async def bed(bed: Bed) -> AsyncIterator[Bed]:
    """Leaves neither pods nor taints behind: there is one node for all tests."""
    yield bed
    await bed.client.patch(NODE, NODE_NAME, {"spec": {"unschedulable": None, "taints": None}})
    await bed.client.delete_collection(POD, namespace=bed.namespace)

    async def all_gone() -> bool:
        return not await bed.pods()

    await bed.until(all_gone, "all pods to be gone")


async def create(bed: Bed, name: str, *, cpu: str = "1m", **spec: Any) -> None:
    resources = {"requests": {"cpu": cpu}}
    containers = [{"name": "c", "image": "example.com/a", "resources": resources}]
    await bed.create(POD, {"metadata": {"name": name}, "spec": {"containers": containers, **spec}})


async def runs(bed: Bed, name: str) -> Json:
    async def is_running() -> Json | None:
        pod = await bed.get(POD, name)
        return pod if pod and pod["status"].get("phase") == "Running" else None

    return dict(await bed.until(is_running, f"{name} to run"))


async def waits(bed: Bed, name: str) -> str:
    """For which reason."""

    async def told() -> str | None:
        conditions = ((await bed.get(POD, name)) or {})["status"].get("conditions") or ()
        found = [one for one in conditions if (one["type"], one["status"]) == ("PodScheduled", "False")]
        return found[0]["message"] if found and found[0]["reason"] == "Unschedulable" else None

    return str(await bed.until(told, f"a reason why {name} waits"))


async def gone(bed: Bed, name: str) -> None:
    async def is_gone() -> bool:
        return await bed.get(POD, name) is None

    await bed.until(is_gone, f"{name} to be gone")


async def test_a_pod_waits_until_another_one_makes_room(bed: Bed) -> None:
    await create(bed, "first", cpu="6")
    await runs(bed, "first")
    await create(bed, "second", cpu="3")
    message = await waits(bed, "second")
    assert message.startswith("0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: ")
    await create(bed, "small", cpu="2")
    await runs(bed, "small")

    async def told() -> bool:
        return message in await bed.messages("FailedScheduling")

    await bed.until(told, "the Event")
    await bed.client.delete(POD, "first", namespace=bed.namespace)
    found = await runs(bed, "second")
    scheduled = [one for one in found["status"]["conditions"] if one["type"] == "PodScheduled"]
    assert [one["status"] for one in scheduled] == ["True"]
    assert f"Successfully assigned {bed.namespace}/second to {NODE_NAME}" in await bed.messages("Scheduled")


async def test_a_cordoned_node_takes_no_new_pods(bed: Bed) -> None:
    await create(bed, "old")
    await runs(bed, "old")
    await bed.client.patch(NODE, NODE_NAME, {"spec": {"unschedulable": True}})

    async def taints() -> list[Json]:
        return list((await bed.client.get(NODE, NODE_NAME))["spec"].get("taints") or ())

    assert [one["key"] for one in await bed.until(taints, "a taint")] == ["node.kubernetes.io/unschedulable"]
    await create(bed, "new")
    assert "1 node(s) were unschedulable" in await waits(bed, "new")
    await bed.client.patch(NODE, NODE_NAME, {"spec": {"unschedulable": None}})
    await runs(bed, "new")
    assert await runs(bed, "old")
    assert not await taints()


async def test_a_taint_drives_out_what_does_not_tolerate_it(bed: Bed) -> None:
    tolerated = {"key": "fire", "operator": "Exists", "effect": "NoExecute"}
    await create(bed, "any")
    await create(bed, "brief", tolerations=[{**tolerated, "tolerationSeconds": 1}])
    await create(bed, "brave", tolerations=[tolerated])
    for name in ("any", "brief", "brave"):
        await runs(bed, name)
    await bed.client.patch(NODE, NODE_NAME, {"spec": {"taints": [{"key": "fire", "effect": "NoExecute"}]}})
    await gone(bed, "any")
    await gone(bed, "brief")
    assert await runs(bed, "brave")

    async def are_marked() -> bool:
        marks = await bed.messages("TaintManagerEviction")
        return sorted(marks) == [f"Marking for deletion Pod {bed.namespace}/{name}" for name in ("any", "brief")]

    await bed.until(are_marked, "the Events")


async def test_what_matters_more_pushes_others_aside(bed: Bed) -> None:
    group = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "dear"}, "value": 1000}
    await bed.client.request("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", body=group)
    await create(bed, "cheap", cpu="5")
    await runs(bed, "cheap")
    await create(bed, "dear", cpu="5", priorityClassName="dear")
    assert "nominatedNodeName" not in (await runs(bed, "dear"))["status"]
    assert await bed.get(POD, "cheap") is None

    async def preempted() -> list[str]:
        events = await bed.all(EVENT)
        return [event["involvedObject"]["name"] for event in events if event["reason"] == "Preempted"]

    assert await bed.until(preempted, "the Event") == ["cheap"]


async def test_a_pod_waits_for_its_claim(bed: Bed) -> None:
    await create(bed, "jazz", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "tapes"}}])
    assert 'persistentvolumeclaim "tapes" not found' in await waits(bed, "jazz")
    shape = {"accessModes": ["ReadWriteOnce"], "storageClassName": "shelf"}
    claim = {**shape, "resources": {"requests": {"storage": "1Gi"}}}
    await bed.create(PERSISTENT_VOLUME_CLAIM, {"metadata": {"name": "tapes"}, "spec": claim})

    async def is_found() -> bool:
        return "unbound immediate" in await waits(bed, "jazz")

    await bed.until(is_found, "the claim to be found")
    volume = {**shape, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/tmp/tapes"}}
    await bed.create(PERSISTENT_VOLUME, {"metadata": {"name": f"{bed.namespace}-tapes"}, "spec": volume})
    await runs(bed, "jazz")
