"""A namespace and a pod in it may come in one file, although a controller makes the namespace's account later."""

import asyncio

from tests.support.api_process import ApiClient

POD = {"metadata": {"name": "early"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}


async def test_a_pod_waits_for_the_default_account(client: ApiClient) -> None:
    early = asyncio.create_task(_post(client, "pods", POD))
    await asyncio.sleep(0)
    assert await _post(client, "serviceaccounts", {"metadata": {"name": "default"}}) == 201
    assert await early == 201


async def test_a_pod_does_not_wait_for_an_account_of_its_own(client: ApiClient) -> None:
    pod = {**POD, "spec": {**POD["spec"], "serviceAccountName": "nobody"}}
    assert await asyncio.wait_for(_post(client, "pods", pod), 0.9) == 403


async def _post(client: ApiClient, plural: str, body: dict[str, object]) -> int:
    path = f"/api/v1/namespaces/default/{plural}"
    async with client.session.post(path, json=body, ssl=client.context) as response:
        await response.read()
        return response.status
