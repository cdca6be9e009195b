"""Long lists are found and written in slices, between which others are answered, and are what they would be at once."""

import asyncio
import json

import pytest

from crossfade_local.apiserver import aside
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.answers import ListAnswer
from crossfade_local.apiserver.wire.negotiation import negotiate
from crossfade_local.apiserver.wire.presentation import list_body
from tests.support.api_in_process import ApiInProcess

MANY = 1_600
AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
AS_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def filled(count: int) -> ApiInProcess:
    server = ApiInProcess(Storage(Database(None)))
    for number in range(count):
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{number:04}", "namespace": "n"}}
        obj["metadata"] |= {"creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"odd": str(number % 2)}}
        await server.storage.create("/configmaps", "n", f"m{number:04}", obj)
    return server


async def turns_of_others(work: "asyncio.Task[object]") -> int:
    turns = 0
    while not work.done():
        turns += 1
        await asyncio.sleep(0)
    return turns


@pytest.mark.parametrize("count", [0, 1, MANY])
@pytest.mark.parametrize("accept", ["", AS_TABLE, AS_METADATA, "application/yaml"])
async def test_slices_make_the_same_list(monkeypatch: pytest.MonkeyPatch, accept: str, count: int) -> None:
    server = await filled(count)
    answer = await server.answer("GET", "/api/v1/configmaps", labelSelector="odd=0")
    assert isinstance(answer, ListAnswer)
    form = negotiate(accept)
    body = await list_body(server.api, answer, form, include="Metadata")
    monkeypatch.setattr(aside, "_SLICE", count + 1)
    assert body == await list_body(server.api, answer, form, include="Metadata")
    server.storage.close()


@pytest.mark.parametrize("limit", ["0", "-1"])
async def test_a_limit_that_is_no_number_of_objects_is_none(limit: str) -> None:
    server = await filled(3)
    answer = await server.answer("GET", "/api/v1/configmaps", limit=limit)
    assert isinstance(answer, ListAnswer)
    assert (len(list(answer.items)), set(answer.metadata)) == (3, {"resourceVersion"})
    server.storage.close()


async def test_others_get_their_turn_between_slices() -> None:
    server = await filled(MANY)
    listing: asyncio.Task[object] = asyncio.create_task(server.answer("GET", "/api/v1/configmaps"))
    assert await turns_of_others(listing) >= 4
    answer = await listing
    assert isinstance(answer, ListAnswer)
    writing: asyncio.Task[object] = asyncio.create_task(
        list_body(server.api, answer, negotiate(""), include="Metadata")
    )
    assert await turns_of_others(writing) >= 3
    server.storage.close()


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "selector",
    [
        {"fieldSelector": ",".join(f"metadata.name!=x{number}" for number in range(300))},
        {"labelSelector": ",".join(f"k{number}!=v" for number in range(300))},
    ],
)
async def test_long_selectors_make_small_slices(method: str, selector: dict[str, str]) -> None:
    server = await filled(200)
    work: asyncio.Task[object] = asyncio.create_task(
        server.answer(method, "/api/v1/namespaces/n/configmaps", dryRun="All", **selector)
    )
    assert await turns_of_others(work) >= 8
    answer = await work
    assert isinstance(answer, ListAnswer)
    assert len(answer.items) == 200
    server.storage.close()


async def test_a_watch_shows_what_there_is_in_slices_and_misses_no_change_between_them() -> None:
    server = await filled(MANY)
    stream = await server.watch("/api/v1/configmaps")
    chunks = aiter(stream.chunks)
    first = (await anext(chunks)).splitlines()
    stored = server.storage.get("/configmaps", "n", f"m{MANY - 1:04}")
    assert stored is not None
    await server.storage.delete("/configmaps", stored)
    events = [json.loads(line) for line in first]
    assert len(events) < MANY
    while events[-1]["type"] != "DELETED":
        events += map(json.loads, (await anext(chunks)).splitlines())
    assert [event["type"] for event in events] == ["ADDED"] * MANY + ["DELETED"]
    await chunks.aclose()  # type: ignore[attr-defined]
    server.storage.close()
