"""The matrix of lost requests: applications × replicas × protocols × discovery × callers × events; more than an hour.

`python -m benchmarks.lost_requests [WORDS…]` takes the cells whose names have all of the words, as `http ENDPOINTS`.
Ends with 1 if a request was lost that could have been answered: the only pod of an application that exits at once
leaves nobody to ask until its successor is ready.
"""

import itertools
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.mesh_lab import EVENTS, Cell, Event, MeshLab, Tally, mesh_lab

RATE = 200.0
SECONDS = 24.0
LONGER_S = 34.0
BEFORE_S = 1.0

PROTOCOLS = ("http", "http2", "grpc")
RESPONSE_TYPES = ("LOADBALANCER", "ENDPOINTS")
BEHAVIOURS = {"exits": {}, "works-on": {"works_on_s": 8}, "pre-stop": {"pre_stop_s": 8}}
REPLICAS = (1, 3)


class Result(NamedTuple):
    cell: str
    event: str
    caller: str
    tally: Tally
    is_hopeless: bool


def main(words: list[str]) -> int:
    chosen = [(title, cell) for title, cell in cells() if all(word in title.split() for word in words)]
    results: list[Result] = []
    with mesh_lab() as lab:
        for title, cell in chosen:
            lab.deploy(cell)
            for event in EVENTS:
                for result in observed(lab, title, cell, event):
                    results.append(result)
                    print(line_of(result), flush=True)
            lab.remove(cell)
    losers = [one for one in results if one.tally.lost and not one.is_hopeless]
    sent = sum(one.tally.sent for one in results)
    print(f"{len(results)} runs, {sent} requests, {sum(one.tally.lost_count for one in losers)} lost")
    return 1 if losers else 0


def cells() -> Iterator[tuple[str, Cell]]:
    combined = itertools.product(PROTOCOLS, RESPONSE_TYPES, BEHAVIOURS.items(), REPLICAS)
    for number, (protocol, response_type, (behaviour, how), replicas) in enumerate(combined):
        cell = Cell(f"c{number}", protocol, response_type, replicas, **how)
        yield f"{protocol} {response_type} {behaviour} {replicas}", cell
    yield "http ENDPOINTS works-on 3 health-checks", Cell("hc", "http", "ENDPOINTS", 3, 8, has_health_check=True)


def observed(lab: MeshLab, title: str, cell: Cell, event: Event) -> Iterator[Result]:
    seconds = SECONDS if event.name in ("rollout", "delete pod") else LONGER_S
    callers = [lab.call_in_mesh(cell, rate=RATE, seconds=seconds)]
    # The gateway's Ingress names the pods of the first version: weights are the mesh's.
    if cell.program == "http" and event.name != "new version":
        lab.wait_for_gateway(cell)
        callers.append(lab.call_through_gateway(cell, rate=RATE, seconds=seconds))
    time.sleep(BEFORE_S)
    event.happen(lab, cell)
    is_hopeless = event.name == "delete pod" and cell.replicas == 1 and not (cell.works_on_s or cell.pre_stop_s)
    for caller in callers:
        where = "gateway" if caller.name == "gateway" else "mesh"
        yield Result(title, event.name, where, caller.result(), is_hopeless)


def line_of(result: Result) -> str:
    tally = result.tally
    kinds = "; ".join(f"{count}× {kind}" for kind, (count, _, _) in tally.lost.items())
    note = " (nobody was left to ask)" if result.is_hopeless and tally.lost else ""
    told = f"{result.cell:<40} {result.event:<12} {result.caller:<8} {tally.lost_count:>5}/{tally.sent}{note}"
    return f"{told}  {kinds}".rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
