"""The gateways, all running at once, and what measures one of them in one scenario."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.compare import crossfade, envoys, floor, haproxy, nginx, traefik
from benchmarks.compare.contestants import Contestant, World, prove
from benchmarks.compare.scenarios import (
    CONNECTIONS,
    GATEWAYS,
    HTTP2_CONNECTIONS,
    HTTP2_STREAMS,
    Over,
    Scenario,
)
from benchmarks.compare.series import Measure
from benchmarks.load import Answers, answered, answered_over_http2
from benchmarks.processes import cpu_seconds_of_all

STARTED_BY: Final[Mapping[str, Callable[[World], AbstractContextManager[Contestant]]]] = {
    "crossfade": crossfade.crossfade,
    "floor": floor.floor,
    "native": envoys.native,
    "bare": envoys.bare,
    "nginx": nginx.nginx,
    "haproxy": haproxy.haproxy,
    "traefik": traefik.traefik,
}
PROGRAMS: Final = ("nginx", "haproxy", "traefik")
"""That may be missing: without one, its contestant is left out."""
_SHARE_WITHIN: Final = 0.02


@contextmanager
def gateways(
    world: World, contestants: Iterable[str], scenarios: Iterable[str], seconds: int
) -> Iterator[dict[str, dict[str, Measure]]]:
    with ExitStack() as stack:
        running = {who: stack.enter_context(STARTED_BY[who](world)) for who in contestants}
        cells: dict[str, dict[str, Measure]] = {}
        for name in scenarios:
            scenario, script = GATEWAYS[name], _script(world.folder, name)
            able = {who: one for who, one in running.items() if name in one.ports}
            for who, one in able.items():
                prove(who, one, name, scenario)
            cells[name] = {
                who: partial(asyncio.to_thread, measured, one.pids, one.url(name, scenario), scenario, script, seconds)
                for who, one in able.items()
            }
        yield cells


def _script(folder: Path, name: str) -> Path | None:
    """What changes requests, for `wrk`."""
    if not GATEWAYS[name].script:
        return None
    path = folder / f"{name}.lua"
    path.write_text(GATEWAYS[name].script)
    return path


def measured(pids: tuple[int, ...], url: str, scenario: Scenario, script: Path | None, seconds: int) -> float:
    before = cpu_seconds_of_all(pids)
    answers = _asked(url, scenario, script, seconds)
    spent = cpu_seconds_of_all(pids) - before
    share = answers.refused / answers.all
    if abs(share - scenario.refused) > _SHARE_WITHIN * bool(scenario.refused):
        raise RuntimeError(f"{url}: {share:.1%} of requests were refused, where it should be {scenario.refused:.0%}")
    return spent / answers.all * 1e6


def _asked(url: str, scenario: Scenario, script: Path | None, seconds: int) -> Answers:
    if scenario.over is Over.HTTP2:
        return answered_over_http2(url, seconds=seconds, connections=HTTP2_CONNECTIONS, streams=HTTP2_STREAMS)
    return answered(url, scenario.headers, seconds=seconds, connections=CONNECTIONS, script=script)
