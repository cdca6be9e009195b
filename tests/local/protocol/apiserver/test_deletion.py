"""What becomes of dependents when whoever deletes their owner says nothing about them."""

from datetime import datetime, timedelta

import pytest

from tests.support.api_process import ApiClient, Json

JOBS = "/apis/batch/v1/namespaces/default/jobs"
POD = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}
WARNING = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them"


async def deleted(client: ApiClient, path: str, options: Json | None = None) -> list[str]:
    """The warnings."""
    async with client.session.delete(path, json=options, ssl=client.context) as response:
        assert response.status == 200, await response.text()
        return response.headers.getall("Warning", [])


@pytest.mark.parametrize("path", [f"{JOBS}/a", JOBS])
async def test_jobs_leave_their_pods_and_say_so(client: ApiClient, path: str) -> None:
    await client.create(JOBS, {"metadata": {"name": "a"}, "spec": {"template": {"spec": POD}}})
    (said,) = await deleted(client, path)
    assert WARNING in said
    assert (await client.get(f"{JOBS}/a"))["metadata"]["finalizers"] == ["orphan"]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("?propagationPolicy=Background", None),
        ("", {"propagationPolicy": "Background"}),
        ("", {"orphanDependents": False}),
    ],
)
async def test_who_says_what_to_do_is_not_warned(client: ApiClient, query: str, options: Json | None) -> None:
    await client.create(JOBS, {"metadata": {"name": "a"}, "spec": {"template": {"spec": POD}}})
    assert await deleted(client, f"{JOBS}/a{query}", options) == []
    assert (await client.send("GET", f"{JOBS}/a"))[0] == 404


async def test_a_second_deletion_only_shortens_the_first(client: ApiClient) -> None:
    core = "/api/v1/namespaces/default"
    await client.create(f"{core}/serviceaccounts", {"metadata": {"name": "default"}})
    metadata = {"name": "a", "finalizers": ["example.com/wait"]}
    await client.create(f"{core}/pods", {"metadata": metadata, "spec": {**POD, "nodeName": "n"}})
    _, first = await client.send("DELETE", f"{core}/pods/a", {"gracePeriodSeconds": 600})
    for grace, left in ((900, 600), (0, 0), (0, 0)):
        _, again = await client.send("DELETE", f"{core}/pods/a", {"gracePeriodSeconds": grace})
        assert (again["metadata"]["generation"], again["metadata"]["deletionGracePeriodSeconds"]) == (2, left)
    times = (datetime.fromisoformat(one["metadata"]["deletionTimestamp"]) for one in (first, again))
    assert next(times) - next(times) == timedelta(seconds=600)
