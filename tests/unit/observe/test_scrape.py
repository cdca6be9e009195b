"""Proxies that do not answer cost themselves."""

import asyncio

import pytest

from crossfade.observe import scrape
from crossfade.observe.scrape import ProxyFailed, between, read, since_start
from crossfade.observe.targets import Target
from tests.unit.observe.pages import GATEWAY

GOOD, GARBAGE, SLOW, DEAD, BINARY = (
    Target("gateway", f"kong/{name}") for name in ("good", "garbage", "slow", "dead", "binary")
)


async def fetch(target: Target) -> bytes:
    if target is SLOW:
        await asyncio.Event().wait()
    if target is DEAD:
        raise ProxyFailed("it has gone")
    return {GOOD: GATEWAY.encode(), GARBAGE: b"<html>\n</html>", BINARY: b"\xff\xfe\x00"}[target]


async def test_the_others_are_shown_and_each_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "PAGE_WITHIN_S", 0.05)
    first = await read([GOOD, GARBAGE, SLOW, DEAD, BINARY], fetch)
    total = since_start(first)
    assert list(total.pages) == [GOOD]
    assert total.sum_of("gateway") == total.pages[GOOD]
    assert {name: why.partition(":")[0] for name, why in total.failed.items()} == {
        "kong/garbage": "it answers what is no page of metrics",
        "kong/binary": "it answers what is no page of metrics",
        "kong/slow": "it has not answered within 0.05 s",
        "kong/dead": "it has gone",
    }


async def test_a_proxy_that_came_between_two_pages_is_shown_with_the_next() -> None:
    first, second = await read([GOOD], fetch), await read([GOOD, Target("gateway", "kong/new")], lambda _: fetch(GOOD))
    sample = between(first, second)
    assert (sample.pages, sample.failed) == ({GOOD: {}}, {})
    assert sample.seconds is not None


async def test_who_failed_the_first_time_is_named_all_the_same() -> None:
    sample = between(await read([GOOD, DEAD], fetch), await read([GOOD, DEAD], lambda _: fetch(GOOD)))
    assert sample.failed == {"kong/dead": "it has gone"}
