"""Identities of sidecars: App Mesh's objects under `crossfade.dev/mesh-tls`, compiled, in two real Envoys."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from crossfade.certs.identities import IdentityAuthority, IssuedIdentity, issue_identity, renewed_authority
from tests.support.envoy import until
from tests.support.mesh_tls import BODY, CLIENT, HOST, TwoSidecars, two_sidecars

pytestmark = pytest.mark.envoy
DAY = timedelta(days=1)


def authority(before: IdentityAuthority | None = None) -> IdentityAuthority:
    """`before` is told from what is stored by being gone: its successor is due at once."""
    return renewed_authority(None, before, identity_lifetime=DAY, now=datetime.now(UTC))


def identity(signed_by: IdentityAuthority, node: str, domain: str = "m") -> IssuedIdentity:
    name = f"spiffe://{domain}/ns/prod/virtual-node/{node}"
    return issue_identity(signed_by, name, lifetime=DAY, now=datetime.now(UTC))


class Pair:
    def __init__(self, sidecars: TwoSidecars) -> None:
        self.sidecars = sidecars
        self.authority = authority()

    def show(self, *, server: IssuedIdentity | None = None, client: IssuedIdentity | None = None) -> None:
        changed = {"server": server, "client": client}
        self.sidecars.issued |= {name: one for name, one in changed.items() if one is not None}
        self.sidecars.publish_issued()

    async def begin(self, mode: str) -> None:
        issued = {name: identity(self.authority, name) for name in ("server", "client")}
        self.sidecars.issued = issued
        self.sidecars.publish(None, identities=mode)
        await self.sidecars.until_client(200)

    async def stats(self) -> str:
        """Of the server."""
        url = f"http://127.0.0.1:{self.sidecars.server.admin_port}/stats?filter=days_until"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return await answer.text()

    async def until_peer(self, status: int, shown: IssuedIdentity, name: str = "server") -> None:
        async def answered() -> bool:
            return await self.sidecars.as_peer(shown) == (status, name if status else "")

        await until(answered)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with two_sidecars(tmp_path) as found:
        yield Pair(found)


async def test_strict_sidecars_speak_with_each_other_and_with_nobody_else(pair: Pair) -> None:
    await pair.begin("strict")
    assert await pair.sidecars.plain() == 0
    for shown in ("", "client", "stranger"):
        assert await pair.sidecars.over_tls(shown) == (0, "")
    assert await pair.sidecars.as_peer(identity(pair.authority, "other")) == (200, "server")


async def test_a_permissive_node_is_called_by_identity_and_in_plain_text(pair: Pair) -> None:
    await pair.begin("permissive")
    assert await pair.sidecars.plain() == 200
    # Callers show who they are: with the identity of somebody else the server is not spoken to.
    pair.show(server=identity(pair.authority, "other"))
    await pair.sidecars.client.restart_envoy()
    await pair.sidecars.until_client(503)


async def test_a_node_that_shows_another_ones_identity_is_not_spoken_to(pair: Pair) -> None:
    pair.sidecars.issued = {"server": identity(pair.authority, "other"), "client": identity(pair.authority, "client")}
    pair.sidecars.publish(None, identities="strict")
    await pair.sidecars.until_client(503)
    pair.show(server=identity(pair.authority, "server"))
    await pair.sidecars.until_client(200)


async def test_identities_of_another_mesh_count_for_nothing(pair: Pair) -> None:
    await pair.begin("strict")
    assert await pair.sidecars.as_peer(identity(pair.authority, "client", domain="m2")) == (0, "")
    assert await pair.sidecars.as_peer(identity(authority(), "client")) == (0, "")


async def test_identities_change_under_load_and_nothing_is_lost(pair: Pair) -> None:
    pair.sidecars.requests_per_connection = 1
    await pair.begin("strict")
    statuses: list[int] = []
    is_over = asyncio.Event()

    async def load(http: aiohttp.ClientSession) -> None:
        async with http.get(f"http://{CLIENT}:{pair.sidecars.port}/", headers={"Host": HOST}) as answer:
            statuses.append(answer.status if await answer.text() == BODY else 0)

    async def hundred_a_second() -> None:
        loop = asyncio.get_running_loop()
        begun, sent = loop.time(), 0
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
            while not is_over.is_set():
                while sent < (loop.time() - begun) * 100:
                    tasks.create_task(load(http))
                    sent += 1
                await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hundred_a_second())
        for generation in range(6):
            # A new authority each second time, and one sidecar is told of it after the other.
            if generation % 2:
                pair.authority = authority(pair.authority)
            for name in ("server", "client"):
                pair.show(**{name: identity(pair.authority, name)})
                await pair.until_peer(200, identity(pair.authority, "other"))
                await _until_longer(statuses, len(statuses) + 20)
        is_over.set()
    assert len(statuses) >= 240
    assert set(statuses) == {200}


async def _until_longer(statuses: list[int], count: int) -> None:
    async def is_longer() -> bool:
        return len(statuses) >= count

    await until(is_longer)


async def test_peers_that_know_one_authority_only_believe_the_other_one_too(pair: Pair) -> None:
    await pair.begin("strict")
    successor = authority(pair.authority)
    # The server knows the former authority only, and then the new one; so do its callers.
    assert await pair.sidecars.as_peer(identity(successor, "client")) == (200, "server")
    pair.show(server=identity(successor, "server"))
    for signed_by in (pair.authority, successor):
        await pair.until_peer(200, identity(signed_by, "client"))


async def test_a_sidecar_says_when_its_first_certificate_ends(pair: Pair) -> None:
    await pair.begin("strict")
    name, moment = "spiffe://m/ns/prod/virtual-node/server", datetime.now(UTC)
    for days in (30, 3):
        lasting = issue_identity(pair.authority, name, lifetime=timedelta(days=days, hours=1), now=moment)
        pair.show(server=lasting)

        async def is_told(days: int = days) -> bool:
            return f"server.days_until_first_cert_expiring: {days}\n" in await pair.stats()

        await until(is_told)


async def test_an_expired_identity_opens_nothing(pair: Pair) -> None:
    await pair.begin("strict")
    over = issue_identity(
        pair.authority, "spiffe://m/ns/prod/virtual-node/client", lifetime=DAY, now=datetime.now(UTC) - 2 * DAY
    )
    assert await pair.sidecars.as_peer(over) == (0, "")
