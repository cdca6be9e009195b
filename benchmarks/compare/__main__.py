"""Crossfade's gateway and mesh against bare Envoy, Envoy with its own filters, nginx, HAProxy and Traefik.

    make bench [ARGS="--quick"] [ARGS="--only plain,limit"] [ARGS="--write"]

CPU of the proxies' processes for each request (user and system time), one worker each, the same load on the same
upstream. All run at once; each round measures every scenario with every contestant, one after another, in changing
order, and ratios are made within a round. Takes ten minutes; `--quick`, one round of all, less than 90 seconds. Needs
`wrk` and `h2load`; of nginx, HAProxy and Traefik whatever is installed takes part. `--write` puts the figures into
docs/performance.json, and from there into docs/performance.svg and docs/performance.md. Speaks with nobody but
127.0.0.1. Whatever it starts ends with it.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from benchmarks.compare.contestants import World, found
from benchmarks.compare.gateways import PROGRAMS, STARTED_BY, gateways
from benchmarks.compare.machine import description
from benchmarks.compare.mesh import mesh
from benchmarks.compare.report import lines
from benchmarks.compare.scenarios import ALL, CONNECTIONS, GATEWAYS
from benchmarks.compare.series import Results, run
from benchmarks.figures import keep
from benchmarks.load import Upstream, missing_programs, started
from benchmarks.processes import run_bounded
from tests.e2e.policy_module.harness import tables
from tests.support.openssl import root

LONGEST_S: Final = 720.0
QUICK_S: Final = 90.0
# To start with, and to end.
SPARE_S: Final = 30.0


def main() -> int:
    options = _options()
    if missing := missing_programs(("wrk", "h2load", "setpriv")):
        print(missing, file=sys.stderr)
        return 2
    longest = QUICK_S if options.quick else LONGEST_S
    code = run_bounded("benchmarks.compare", longest)
    if code is not None:
        return code
    contestants = [who for who in STARTED_BY if who not in PROGRAMS or found(who)]
    for who in STARTED_BY.keys() - contestants:
        print(f"{who} is not installed and left out", file=sys.stderr)
    rounds = 1 if options.quick else options.rounds
    results = asyncio.run(
        _measured(
            options.only,
            contestants,
            rounds=rounds,
            seconds=1 if options.quick else options.seconds,
            warms_up=not options.quick,
            ends_at=time.monotonic() + longest - SPARE_S,
        )
    )
    print("\n".join(lines(results)))
    if options.write:
        keep("requests", {**description(contestants), "connections": CONNECTIONS, "us": results})
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=1, help="of load for one contestant, scenario and round")
    parser.add_argument("--quick", action="store_true", help="one round: to see that all works")
    parser.add_argument("--only", type=_scenarios, default=list(ALL), metavar="SCENARIO,…", help=", ".join(ALL))
    parser.add_argument("--write", action="store_true", help="keep the figures, and show them in docs")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds: at least 1")
    if options.write and options.only != list(ALL):
        parser.error("--write: only figures of all scenarios are kept, from one series")
    return options


def _scenarios(text: str) -> list[str]:
    wanted = text.split(",")
    if unknown := [name for name in wanted if name not in ALL]:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(ALL)}")
    return [name for name in ALL if name in wanted]


async def _measured(
    scenarios: list[str], contestants: list[str], *, rounds: int, seconds: int, warms_up: bool, ends_at: float
) -> Results:
    with tempfile.TemporaryDirectory() as directory:
        async with AsyncExitStack() as stack:
            folder = Path(directory)
            (folder / "upstream").mkdir()
            upstream = stack.enter_context(started(Upstream(folder / "upstream", 1, tables([]))))
            world = World(folder, upstream.port, root(folder, "bench"))
            cells = await stack.enter_async_context(mesh(world, scenarios, seconds))
            if wanted := [name for name in scenarios if name in GATEWAYS]:
                cells = stack.enter_context(gateways(world, contestants, wanted, seconds)) | cells
            return await run(cells, rounds, warms_up=warms_up, ends_at=ends_at)


if __name__ == "__main__":
    sys.exit(main())
