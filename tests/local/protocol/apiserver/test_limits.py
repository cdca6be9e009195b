"""LimitRanges and ResourceQuotas hold for what is made in their namespace."""

import asyncio
from typing import Any, Final

from tests.support.api_process import ApiClient

CORE: Final = "/api/v1/namespaces/default"
TRIES: Final = 500


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
    said = "maximum cpu usage per Container is 2, but limit is 3"
    assert answer["message"] == f'pods "greedy" is forbidden: {said}'
    quota = {"pods": "3", "requests.cpu": "300m", "count/secrets": "1"}
    await client.create(f"{CORE}/resourcequotas", {"metadata": {"name": "few"}, "spec": {"hard": quota}})
    answers = await asyncio.gather(*(client.send("POST", f"{CORE}/pods", pod(f"more{n}")) for n in range(6)))
    assert sorted(code for code, _ in answers) == [201, 201, 403, 403, 403, 403]
    refused = next(answer for code, answer in answers if code == 403)
    assert refused["message"].endswith(
        " is forbidden: exceeded quota: few, requested: pods=1,requests.cpu=100m, used: pods=3,requests.cpu=300m,"
        " limited: pods=3,requests.cpu=300m"
    )
    await client.create(f"{CORE}/secrets", {"metadata": {"name": "one"}})
    code, answer = await client.send("POST", f"{CORE}/secrets", {"metadata": {"name": "two"}})
    assert (code, answer["reason"]) == (403, "Forbidden")
    await client.send("DELETE", f"{CORE}/pods/modest")

    async def used() -> Any:
        return ((await client.get(f"{CORE}/resourcequotas/few")).get("status") or {}).get("used")

    expected = {"pods": "2", "requests.cpu": "200m", "count/secrets": "1"}
    for _ in range(TRIES):
        if await used() == expected:
            break
        await asyncio.sleep(0.02)
    assert await used() == expected
    await client.create(f"{CORE}/pods", pod("third"))
