"""A pod's priority comes from its class."""

from typing import Any

from tests.support.api_process import ApiClient

PODS = "/api/v1/namespaces/stage/pods"
SPEC = {"containers": [{"name": "c", "image": "i"}]}
COMPUTED = "priority admission controller computed {} from the given PriorityClass name"


async def test_a_pod_has_the_priority_of_its_class_and_keeps_it(client: ApiClient) -> None:
    await client.create("/api/v1/namespaces", {"metadata": {"name": "stage"}})
    await client.create("/api/v1/namespaces/stage/serviceaccounts", {"metadata": {"name": "default"}})
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    await client.create(classes, {"metadata": {"name": "dear"}, "value": 1000, "preemptionPolicy": "Never"})

    async def create(name: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        return await client.send("POST", PODS, {"metadata": {"name": name}, "spec": {**SPEC, **fields}})

    status, refused = await create("a", priority=5)
    said = f"the integer value of priority (5) must not be provided in pod spec; {COMPUTED.format(0)}"
    assert (status, refused["message"]) == (403, f'pods "a" is forbidden: {said}')
    status, refused = await create("a", priorityClassName="dear", preemptionPolicy="Always")
    computed = COMPUTED.format("Never")
    said = f"the string value of PreemptionPolicy (Always) must not be provided in pod spec; {computed}"
    assert (status, refused["message"]) == (403, f'pods "a" is forbidden: {said}')

    status, pod = await create("b", priorityClassName="dear")
    assert (status, pod["spec"]["priority"], pod["spec"]["preemptionPolicy"]) == (201, 1000, "Never")
    for name in ("priority", "preemptionPolicy"):
        del pod["spec"][name]
    status, kept = await client.send("PUT", f"{PODS}/b", pod)
    assert (status, kept["spec"]["priority"], kept["spec"]["preemptionPolicy"]) == (200, 1000, "Never")
