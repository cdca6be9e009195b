"""Pages of proxies, read twice: what each has counted in between.

A proxy that does not answer, or says what is no page, costs itself: the others are shown, and it is named.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Final, NamedTuple, TypeAlias

from crossfade.observe.counts import Counts, counts_of, increments
from crossfade.observe.targets import Kind, Target

MOST_BYTES: Final = 64 << 20
"""Of one page."""
PAGE_WITHIN_S: Final = 10.0
_AT_ONCE: Final = 16

Fetch: TypeAlias = Callable[[Target], Awaitable[bytes]]
"""The page of a proxy. Raises ProxyFailed."""


class ProxyFailed(Exception):  # noqa: N818 - says what failed, to people
    """A proxy's page cannot be read; the text says why."""


@dataclass(frozen=True)
class Sampled:
    """`pages` are what each proxy has counted, in `seconds`: None is since its start. `failed` says why, by name."""

    pages: dict[Target, Counts]
    failed: dict[str, str]
    seconds: float | None = None

    def of(self, kind: Kind) -> list[Counts]:
        return [counts for target, counts in self.pages.items() if target.kind == kind]

    def sum_of(self, kind: Kind) -> Counts:
        total: Counts = {}
        for page in self.of(kind):
            for series, count in page.items():
                total[series] = total.get(series, 0) + count
        return total


class Reading(NamedTuple):
    """One page of each proxy that answered, with the time at which it was read; why others have none, by name."""

    pages: dict[Target, tuple[Counts, float]]
    failed: dict[str, str]


async def read(targets: Iterable[Target], fetch: Fetch) -> Reading:
    few = asyncio.Semaphore(_AT_ONCE)
    reading = Reading({}, {})

    async def read_one(target: Target) -> None:
        async with few:
            try:
                async with asyncio.timeout(PAGE_WITHIN_S):
                    page = await fetch(target)
                at = monotonic()
                reading.pages[target] = (await asyncio.to_thread(_counts, page), at)
            except TimeoutError:
                reading.failed[target.name] = f"it has not answered within {PAGE_WITHIN_S:g} s"
            except ProxyFailed as problem:
                reading.failed[target.name] = str(problem)
            except ValueError as problem:
                reading.failed[target.name] = f"it answers what is no page of metrics: {problem}"

    async with asyncio.TaskGroup() as tasks:
        for target in targets:
            tasks.create_task(read_one(target))
    return reading


def since_start(reading: Reading) -> Sampled:
    return Sampled({target: counts for target, (counts, _) in reading.pages.items()}, reading.failed)


def between(first: Reading, second: Reading) -> Sampled:
    """Of the proxies that answered both times."""
    risen: dict[Target, Counts] = {}
    spans: list[float] = []
    for target, (counts, at) in second.pages.items():
        if target in first.pages:
            before, began = first.pages[target]
            risen[target] = increments(before, counts)
            spans.append(at - began)
    failed = {name: why for name, why in first.failed.items() if name not in {one.name for one in risen}}
    return Sampled(risen, failed | second.failed, sum(spans) / len(spans) if spans else 0.0)


def _counts(page: bytes) -> Counts:
    return counts_of(_lines(page))


def _lines(page: bytes) -> Iterator[str]:
    """One by one: a page may be long. Lines end as the format says, nowhere else."""
    start = 0
    while start < len(page):
        end = page.find(b"\n", start)
        end = len(page) if end < 0 else end
        yield page[start:end].decode()
        start = end + 1
