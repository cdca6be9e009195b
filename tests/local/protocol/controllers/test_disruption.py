"""PodDisruptionBudgets and evictions, as `kubectl drain` meets them."""

from typing import Any

from crossfade_kube.resources import CONFIG_MAP, POD
from crossfade_local.controllers.disruption.controller import BUDGET
from tests.local.protocol.controllers.conftest import Bed

Json = dict[str, Any]


async def make_budget(bed: Bed, **spec: Any) -> None:
    selector = {"matchLabels": {"app": "jazz"}}
    await bed.create(BUDGET, {"metadata": {"name": "keep"}, "spec": {"selector": selector, **spec}})


async def counted(bed: Bed, **expected: int) -> Json:
    async def is_right() -> Json | None:
        status: Json = ((await bed.get(BUDGET, "keep")) or {}).get("status") or {}
        return status if {**status, **expected} == status else None

    return dict(await bed.until(is_right, f"a budget with {expected}"))


async def evict(bed: Bed, name: str) -> None:
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": bed.namespace},
    }
    await bed.client.create(POD, eviction, namespace=bed.namespace, subresource_of=name, subresource="eviction")


async def test_as_many_pods_may_go_as_the_budget_allows(bed: Bed) -> None:
    await bed.deploy("jazz", replicas=3)
    await make_budget(bed, minAvailable="60%")
    await bed.rolled_out("jazz")
    await counted(bed, expectedPods=3, currentHealthy=3, desiredHealthy=2, disruptionsAllowed=1)
    first, second, _ = await bed.pods()
    await evict(bed, first["metadata"]["name"])

    async def replaced() -> bool:
        names = {pod["metadata"]["name"] for pod in await bed.pods()}
        return len(names) == 3 and first["metadata"]["name"] not in names

    await bed.until(replaced, "another pod in its place")
    await bed.patch(BUDGET, "keep", {"spec": {"minAvailable": None, "maxUnavailable": 1}})
    await counted(bed, disruptionsAllowed=1)
    await evict(bed, second["metadata"]["name"])


async def test_without_a_controller_there_is_no_telling_how_many_there_should_be(bed: Bed) -> None:
    labels = {"app": "jazz"}
    spec = {"containers": [{"name": "c", "image": "example.com/a"}]}
    await bed.create(POD, {"metadata": {"name": "lone", "labels": labels}, "spec": spec})
    await make_budget(bed, maxUnavailable=1)
    await counted(bed, expectedPods=0, disruptionsAllowed=0)
    await bed.until(lambda: bed.messages("UnmanagedPods"), "the pod to be told of")
    settings = await bed.create(CONFIG_MAP, {"metadata": {"name": "settings"}})
    uid = settings["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "settings", "uid": uid, "controller": True}
    await bed.create(POD, {"metadata": {"name": "odd", "labels": labels, "ownerReferences": [owner]}, "spec": spec})

    async def failed() -> bool:
        conditions = ((await bed.get(BUDGET, "keep")) or {})["status"]["conditions"]
        return "configmaps does not implement the scale subresource" in [one["message"] for one in conditions]

    await bed.until(failed, "a condition that says so")
