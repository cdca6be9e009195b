"""Who wants to resize a running pod is told that it is not done here."""

from tests.support.api_process import ApiClient, Json

PODS = "/api/v1/namespaces/default/pods"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
MERGE = "application/strategic-merge-patch+json"


def container(cpu: str, image: str = "b:1") -> Json:
    return {"name": "a", "image": image, "resources": {"limits": {"cpu": cpu}, "requests": {"cpu": "1m"}}}


async def create_pod(client: ApiClient) -> None:
    await client.create(ACCOUNTS, {"metadata": {"name": "default"}})
    await client.create(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [container("100m")]}})


async def test_resources_stay_and_the_field_is_named(client: ApiClient) -> None:
    await create_pod(client)
    larger = {"spec": {"containers": [container("200m")]}}
    status, answer = await client.send("PATCH", f"{PODS}/p/resize", larger, content_type=MERGE)
    assert status == 422
    (cause,) = answer["details"]["causes"]
    assert cause["field"] == "spec.containers[0].resources"
    assert "does not resize running containers; change the template" in cause["message"]
    stored = await client.get(f"{PODS}/p")
    assert stored["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "100m"}


async def test_what_changes_nothing_passes(client: ApiClient) -> None:
    await create_pod(client)
    same = {"spec": {"containers": [container("0.1")]}}
    status, _ = await client.send("PATCH", f"{PODS}/p/resize", same, content_type=MERGE)
    assert status == 200
