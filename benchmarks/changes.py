"""What changes cost a mesh's control plane, in the sizes that are published: `mesh_changes` one after another.

    python -m benchmarks.changes [--quick] [--write]

Each size in a process of its own. Sizes come in pairs that differ by one factor, to see that cost grows with each by
itself and not with their product. `--write` puts the figures into docs/performance.json and its page. Takes about two
minutes; ends by itself.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, Final

from benchmarks.compare.machine import machine, today
from benchmarks.compare.ratios import percentile
from benchmarks.figures import keep
from benchmarks.mesh_changes import ROUTES, as_controller, endpoints_measured, router_live, routers_measured
from benchmarks.processes import run_bounded

LONGEST_S: Final = 600.0
ENDPOINTS: Final = ((200, 100, 100), (50, 1000, 30), (200, 250, 30), (200, 1000, 100))
"""Services, proxies, rounds."""
ROUTERS: Final = ((1000, 0), (1000, 2000), (2000, 4000))
"""Routers, and nodes that call one each."""
ROUTER_ROUNDS: Final = 30
QUICK_ROUNDS: Final = 5
Row = dict[str, Any]


def endpoints_row(services: int, proxies: int, rounds: int) -> Row:
    found = as_controller(endpoints_measured(services, proxies, rounds))
    what = f"an endpoint of one of {services} services, {proxies} proxies"
    return {"what": what, **_percentiles(found.times), "cpu": found.cpu_ms, "fakes": found.fakes_ms}


def routers_rows(routers: int, nodes: int, rounds: int) -> list[Row]:
    found = routers_measured(routers, nodes, rounds)
    size = f"{routers} VirtualRouters with {ROUTES} routes each, {nodes} nodes"
    return [
        {"what": f"all of {size}", "cpu": percentile(found.full, 50) * 1000},
        {"what": f"one of {size}", "cpu": percentile(found.changed, 50) * 1000},
    ]


def live_row(routers: int, nodes: int, rounds: int) -> Row:
    found = as_controller(router_live(routers, nodes, rounds))
    what = f"one of {routers} VirtualRouters with {ROUTES} routes each, {nodes} nodes, to its caller"
    return {"what": what, **_percentiles(found.times), "cpu": found.cpu_ms, "fakes": found.fakes_ms}


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    return {f"p{hundredth}": percentile(times, hundredth) * 1000 for hundredth in (50, 99)}


def _alone(measure: Callable[[], Any]) -> Any:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure).result()


def measured(*, quick: bool) -> list[Row]:
    rows: list[Row] = []
    for services, proxies, rounds in ENDPOINTS:
        rows.append(_alone(partial(endpoints_row, services, proxies, QUICK_ROUNDS if quick else rounds)))
        _say(rows[-1])
    for routers, nodes in ROUTERS:
        number = QUICK_ROUNDS if quick else ROUTER_ROUNDS
        found = [
            *_alone(partial(routers_rows, routers, nodes, number)),
            _alone(partial(live_row, routers, nodes, number)),
        ]
        for row in found:
            _say(row)
        rows += found
    return rows


def _say(row: Row) -> None:
    print(f"{row['what']}: {', '.join(f'{name} {row[name]:.1f} ms' for name in row if name != 'what')}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that all works")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    code = run_bounded("benchmarks.changes", LONGEST_S)
    if code is not None:
        return code
    rows = measured(quick=options.quick)
    if options.write:
        keep("changes", {"date": today(), **machine(), "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
