"""The pages of records over HTTP: what is refused, and that nobody is reached by a name of the internet."""

import json
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from crossfade.observe.access import HEADER, NotAdmitted
from crossfade.observe.pages import REQUESTS_PATH, TAP_PATH, RecordPages
from crossfade.observe.rates import Rates
from crossfade.observe.record import Record
from crossfade.observe.records import MOST_OF_ONE, MOST_WATCHERS, Records
from crossfade.observe.replay import Hop
from crossfade.xds.publisher import Publisher
from tests.unit.observe.calls import call, log


@pytest.fixture
def records() -> Records:
    return Records(node_of=lambda proxy: proxy if "/" in proxy else f"prod/{proxy}")


def pages_of(records: Records) -> RecordPages:
    async def replay(found: Sequence[Record]) -> list[Hop]:
        return [Hop(record) for record in found]

    return RecordPages(records, Rates(Publisher()), replay=replay)


@pytest.fixture
async def client(records: Records) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(pages_of(records).app())) as opened:
        yield opened


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{REQUESTS_PATH}?id=short", 400),
        (REQUESTS_PATH, 400),
        (f"{REQUESTS_PATH}?{'&'.join(['id=longenough'] * 51)}", 400),
        (f"{REQUESTS_PATH}?id={'x' * 257}", 400),
        (f"{REQUESTS_PATH}?id=longenough", 200),
        (f"{TAP_PATH}?for=soon", 400),
        (f"{TAP_PATH}?max_rps=many", 400),
        (f"{TAP_PATH}?for=0.1", 200),
    ],
)
async def test_statuses(client: TestClient, path: str, status: int) -> None:
    async with client.get(path) as response:
        assert response.status == status


async def test_a_name_that_leads_here_shows_nothing(client: TestClient) -> None:
    async with client.get(f"{REQUESTS_PATH}?id=longenough", headers={"Host": "rebound.example"}) as response:
        assert response.status == 403


async def test_a_request_is_found(client: TestClient, records: Records) -> None:
    records.receive("dj", call(log(request_id="the-request")))
    async with client.get(f"{REQUESTS_PATH}?id=the-request") as response:
        found = await response.json()
    assert [hop["record"]["node"] for hop in found["hops"]] == ["prod/dj"]
    assert found["kept"] == 1


async def test_one_watcher_too_many_is_told_so(client: TestClient) -> None:
    watching = [await client.get(TAP_PATH) for _ in range(MOST_WATCHERS)]
    for one in watching:
        assert await one.content.readline() == b'{"kind":"begin"}\n'
    async with client.get(TAP_PATH) as refused:
        assert refused.status == 429
    for one in watching:
        one.close()


@pytest.fixture
async def guarded(records: Records) -> AsyncIterator[TestClient]:
    """`lena` may see namespace prod."""

    async def admit(token: str, namespace: str) -> str:
        if not token:
            raise NotAdmitted(401, "who are you?")
        if namespace != "prod":
            raise NotAdmitted(403, "not yours")
        return token

    async with TestClient(TestServer(pages_of(records).app(admit))) as opened:
        yield opened


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"{REQUESTS_PATH}?id=longenough&namespace=prod", {}, 401),
        (f"{TAP_PATH}?for=0.1&namespace=prod", {}, 401),
        (f"{REQUESTS_PATH}?id=longenough", {HEADER: "lena"}, 403),
        (f"{TAP_PATH}?for=0.1", {HEADER: "lena"}, 403),
        (f"{TAP_PATH}?for=0.1&namespace=shop&namespace=prod", {HEADER: "lena"}, 403),
        (f"{TAP_PATH}?for=0.1&namespace=prod&namespace=shop", {HEADER: "lena"}, 200),
        (f"{REQUESTS_PATH}?id=longenough&namespace=prod", {HEADER: "lena", "Host": "10.1.2.3:18002"}, 200),
        ("/v1/anything", {}, 401),
    ],
)
async def test_who_may_not_sees_nothing(guarded: TestClient, path: str, headers: dict[str, str], status: int) -> None:
    async with guarded.get(path, headers=headers) as response:
        assert response.status == status


async def test_of_one_namespace_nothing_else_is_shown(guarded: TestClient, records: Records) -> None:
    lena = {HEADER: "lena"}
    async with guarded.get(f"{TAP_PATH}?namespace=prod&namespace=shop", headers=lena) as watching:
        assert await watching.content.readline() == b'{"kind":"begin"}\n'
        records.receive("shop/cart", call(log(request_id="the-request", target_namespace="shop", target="till")))
        records.receive("dj", call(log(request_id="the-request", target_namespace="prod", target="jazz")))
        assert json.loads(await watching.content.readline())["record"]["node"] == "prod/dj"
    async with guarded.get(f"{REQUESTS_PATH}?id=the-request&namespace=prod", headers=lena) as response:
        found = await response.json()
    assert [hop["record"]["node"] for hop in found["hops"]] == ["prod/dj"]


async def test_one_who_watches_much_leaves_room_for_others(guarded: TestClient) -> None:
    async def watch(who: str) -> ClientResponse:
        return await guarded.get(f"{TAP_PATH}?namespace=prod", headers={HEADER: who})

    watching = [await watch("lena") for _ in range(MOST_OF_ONE)]
    for one in watching:
        assert await one.content.readline() == b'{"kind":"begin"}\n'
    refused, other = await watch("lena"), await watch("ann")
    assert (refused.status, await refused.text()) == (429, f"lena is watching {MOST_OF_ONE} times already")
    assert other.status == 200
    for one in (*watching, other):
        one.close()
