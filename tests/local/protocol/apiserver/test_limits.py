"""A LimitRange holds for what is made in its namespace."""

from typing import Any, Final

from tests.support.api_process import ApiClient

CORE: Final = "/api/v1/namespaces/default"


def pod(name: str, **resources: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "i", "resources": resources}]
    return {"metadata": {"name": name}, "spec": {"containers": containers}}


async def test_pods_keep_to_the_limits_of_their_namespace(client: ApiClient) -> None:
    await client.create(f"{CORE}/serviceaccounts", {"metadata": {"name": "default"}})
    limits = [{"type": "Container", "max": {"cpu": "2"}, "defaultRequest": {"cpu": "0.1"}}]
    await client.create(f"{CORE}/limitranges", {"metadata": {"name": "small"}, "spec": {"limits": limits}})
    made = await client.create(f"{CORE}/pods", pod("modest"))
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "2"}, "requests": {"cpu": "100m"}}
    assert made["status"]["qosClass"] == "Burstable"
    code, answer = await client.send("POST", f"{CORE}/pods", pod("greedy", limits={"cpu": "3"}))
    assert code == 403
    said = "maximum cpu usage per Container is 2, but "
    assert answer["message"] == f'pods "greedy" is forbidden: [{said}limit is 3, {said}request is 3]'
