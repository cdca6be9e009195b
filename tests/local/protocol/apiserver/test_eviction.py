"""Evictions are granted by the status of a pod's budget, and each takes one from it."""

from typing import Any, Final

from tests.support.api_process import ApiClient

Json = dict[str, Any]
PODS: Final = "/api/v1/namespaces/default/pods"
BUDGETS: Final = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
READY: Final = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
UNREADY: Final = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}


async def make_pod(client: ApiClient, name: str, status: Json) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], "serviceAccountName": "default", "nodeName": "n"}
    await client.create(PODS, {"metadata": {"name": name, "labels": {"app": "a"}}, "spec": spec})
    await client.merge(f"{PODS}/{name}/status", {"status": status})


async def make_budget(client: ApiClient, name: str, **status: Any) -> None:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}
    await client.create(BUDGETS, {"metadata": {"name": name}, "spec": spec})
    await count(client, name, **status)


async def count(client: ApiClient, name: str, *, seen: int = 1, **status: Any) -> None:
    zero = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    await client.merge(f"{BUDGETS}/{name}/status", {"status": {**zero, **status, "observedGeneration": seen}})


async def evict(client: ApiClient, name: str, **more: Any) -> tuple[int, Json]:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}, **more}
    code, answer = await client.send("POST", f"{PODS}/{name}/eviction", body)
    return code, dict(answer)


async def test_evictions(client: ApiClient) -> None:
    await client.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    for name in ("one", "two"):
        await make_pod(client, name, READY)
    await make_pod(client, "waits", {"phase": "Pending"})
    await make_pod(client, "ill", UNREADY)
    await make_budget(client, "keep", seen=0)
    code, answer = await evict(client, "one")
    assert (code, answer["reason"]) == (429, "TooManyRequests")
    assert answer["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    still = "The disruption budget keep is still being processed by the server."
    assert answer["details"] == {
        "causes": [{"reason": "DisruptionBudget", "message": still}],
        "retryAfterSeconds": 10,
    }
    await count(client, "keep", currentHealthy=2, desiredHealthy=2, disruptionsAllowed=1)
    assert (await evict(client, "one", deleteOptions={"dryRun": ["All"]}))[0] == 201
    assert (await client.get(f"{BUDGETS}/keep"))["status"]["disruptionsAllowed"] == 1
    assert (await evict(client, "one"))[0] == 201
    assert (await client.get(f"{PODS}/one"))["metadata"]["deletionTimestamp"]
    status = (await client.get(f"{BUDGETS}/keep"))["status"]
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["one"])
    code, answer = await evict(client, "two")
    assert code == 429
    said = "The disruption budget keep needs 2 healthy pods and has 2 currently"
    assert answer["details"]["causes"] == [{"reason": "DisruptionBudget", "message": said}]
    assert (await evict(client, "waits"))[0] == 201, "what does not run yet serves nobody"
    assert (await evict(client, "ill"))[0] == 201, "what is not ready serves nobody while enough others do"
    await make_budget(client, "second", disruptionsAllowed=1)
    code, answer = await evict(client, "two")
    assert (code, answer["message"]) == (
        500,
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    )
