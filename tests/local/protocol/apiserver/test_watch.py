"""A watch that is taken up again at any revision sees what a watch from the start has seen after it."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import aiohttp

from tests.support.api_process import ApiClient, Json

MAPS = "/api/v1/namespaces/default/configmaps"


async def _seen(client: ApiClient, since: str, count: int) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if count == 0:
        return found
    async with asyncio.timeout(10), client.watch(f"{MAPS}?watch=1&resourceVersion={since}") as events:
        async for event in events:
            metadata = event["object"]["metadata"]
            found.append((event["type"], metadata["name"], metadata["resourceVersion"]))
            if len(found) == count:
                return found
    raise AssertionError("the watch ended")


async def test_watch_resumes_anywhere(client: ApiClient) -> None:
    start = (await client.get(MAPS))["metadata"]["resourceVersion"]
    whole = asyncio.create_task(_seen(client, start, 9))
    for name in ("a", "b", "c"):
        await client.create(MAPS, {"metadata": {"name": name}})
    await asyncio.gather(*(client.merge(f"{MAPS}/{name}", {"data": {"x": "1"}}) for name in ("a", "b", "c")))
    for name in ("b", "a", "c"):
        assert (await client.send("DELETE", f"{MAPS}/{name}"))[0] == 200
    events = await whole
    revisions = [int(revision) for _, _, revision in events]
    assert all(earlier < later for earlier, later in pairwise(revisions))
    for position, (_, _, revision) in enumerate(events):
        assert await _seen(client, revision, len(events) - position - 1) == events[position + 1 :]


async def test_unchanged_object_is_not_written(client: ApiClient) -> None:
    before = await client.create(MAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}})
    after = await client.merge(f"{MAPS}/a", {"data": {"x": "1"}})
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_concurrent_patches_all_count(client: ApiClient) -> None:
    await client.create(MAPS, {"metadata": {"name": "a"}})
    await asyncio.gather(*(client.merge(f"{MAPS}/a", {"data": {f"key-{n}": "1"}}) for n in range(20)))
    data: Json = (await client.get(f"{MAPS}/a"))["data"]
    assert len(data) == 20


async def _names_until_cut_off(events: AsyncIterator[Json]) -> list[str]:
    names: list[str] = []
    try:
        async with asyncio.timeout(20):
            while True:
                names.append((await anext(events))["object"]["metadata"]["name"])
    except aiohttp.ClientError:
        return names


async def test_a_watcher_that_does_not_read_is_disconnected_and_can_go_on(client: ApiClient) -> None:
    start = (await client.get(MAPS))["metadata"]["resourceVersion"]
    names = [f"big-{number}" for number in range(50)]
    async with client.watch(f"{MAPS}?watch=1&resourceVersion={start}") as events:
        for name in names:
            await client.create(MAPS, {"metadata": {"name": name}, "data": {"x": "y" * 900_000}})
        read = await _names_until_cut_off(events)
    assert read == names[: len(read)]
    assert len(read) < len(names)
    rest = await _seen(client, start, len(names))
    assert [name for _, name, _ in rest] == names
