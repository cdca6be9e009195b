"""The pages of records over HTTP: what is refused, and that nobody is reached by a name of the internet."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from crossfade.observe.pages import REQUESTS_PATH, TAP_PATH, RecordPages
from crossfade.observe.rates import Rates
from crossfade.observe.record import Record
from crossfade.observe.records import MOST_WATCHERS, Records
from crossfade.observe.replay import Hop
from crossfade.xds.publisher import Publisher
from tests.unit.observe.calls import call, log


@pytest.fixture
def records() -> Records:
    return Records(node_of=lambda proxy: f"prod/{proxy}")


@pytest.fixture
async def client(records: Records) -> AsyncIterator[TestClient]:
    async def replay(found: list[Record]) -> list[Hop]:
        return [Hop(record) for record in found]

    pages = RecordPages(records, Rates(Publisher()), replay=replay)  # type: ignore[arg-type]  # a list is a sequence
    async with TestClient(TestServer(pages.app())) as opened:
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
