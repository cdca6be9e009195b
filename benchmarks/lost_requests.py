"""The matrix of lost requests: applications × replicas × protocols × discovery × callers × events; two hours.

`python -m benchmarks.lost_requests [WORDS…]` takes the cells whose names have all of the words, as `http ENDPOINTS`.
With `LOST_REQUESTS_FILE` each result is appended to that file as a line of JSON. Ends with 1 if a request was lost that
could have been answered: the only pod of an application that exits at once leaves nobody to ask until its successor is
ready, and a call of gRPC that such an application has begun is not repeated by a gateway.
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.mesh_lab import EVENTS, Cell, Event, MeshLab, Tally, mesh_lab

RATE = 200.0
SECONDS = 24.0
LONGER_S = 34.0
BEFORE_S = 1.0
# What a sidecar says of a call that its application had and did not answer.
BEGUN = "reset reason: connection ter"

PROTOCOLS = ("http", "http2", "grpc")
DISCOVERIES = ("LOADBALANCER", "ENDPOINTS", "CLOUDMAP")
BEHAVIOURS: dict[str, dict[str, Any]] = {"exits": {}, "works-on": {"works_on_s": 8}, "pre-stop": {"pre_stop_s": 8}}
REPLICAS = (1, 3)


class Result(NamedTuple):
    """`why_lost` is empty where every request could have been answered."""

    cell: str
    event: str
    caller: str
    tally: Tally
    why_lost: str = ""


def main(words: list[str]) -> int:
    chosen = [(title, cell) for title, cell in cells() if all(word in title.split() for word in words)]
    results: list[Result] = []
    with mesh_lab(has_gateway_for_grpc=True) as lab:
        for title, cell in chosen:
            lab.deploy(cell)
            for event in EVENTS:
                for result in observed(lab, title, cell, event):
                    results.append(result)
                    record(result)
                    print(line_of(result), flush=True)
            lab.remove(cell)
    losers = [one for one in results if one.tally.lost and not one.why_lost]
    sent = sum(one.tally.sent for one in results)
    print(f"{len(results)} runs, {sent} requests, {sum(one.tally.lost_count for one in losers)} lost")
    return 1 if losers else 0


def cells() -> Iterator[tuple[str, Cell]]:
    combined = itertools.product(PROTOCOLS, DISCOVERIES, BEHAVIOURS.items(), REPLICAS)
    for number, (protocol, discovery, (behaviour, how), replicas) in enumerate(combined):
        cell = Cell(f"c{number}", protocol, discovery, replicas, **how)
        yield f"{protocol} {discovery} {behaviour} {replicas}", cell
    yield "http ENDPOINTS works-on 3 health-checks", Cell("hc", "http", "ENDPOINTS", 3, 8, has_health_check=True)


def observed(lab: MeshLab, title: str, cell: Cell, event: Event) -> Iterator[Result]:
    seconds = SECONDS if event.name in ("rollout", "delete pod") else LONGER_S
    callers = [lab.call_in_mesh(cell, rate=RATE, seconds=seconds)]
    # The gateway's Ingress names the pods of the first version: weights are the mesh's.
    if event.name != "new version":
        lab.wait_for_gateway(cell)
        callers.append(lab.call_through_gateway(cell, rate=RATE, seconds=seconds))
    time.sleep(BEFORE_S)
    event.happen(lab, cell)
    for caller in callers:
        where = "gateway" if caller.name == "gateway" else "mesh"
        tally = caller.result()
        yield Result(title, event.name, where, tally, _excuse(cell, event, where, tally) if tally.lost else "")


def _excuse(cell: Cell, event: Event, caller: str, tally: Tally) -> str:
    exits_at_once = not (cell.works_on_s or cell.pre_stop_s)
    if exits_at_once and cell.replicas == 1 and event.name == "delete pod":
        return "nobody was left to ask"
    were_begun = all(BEGUN in kind for kind in tally.lost)
    if exits_at_once and caller == "gateway" and cell.program == "grpc" and were_begun:
        return "begun, and a POST: not sent twice"
    return ""


def record(result: Result) -> None:
    if file := os.environ.get("LOST_REQUESTS_FILE"):
        fields = {**result._asdict(), "sent": result.tally.sent}
        del fields["tally"]
        fields["lost"] = {kind: int(count) for kind, (count, _, _) in result.tally.lost.items()}
        with Path(file).open("a") as lines:
            lines.write(json.dumps(fields) + "\n")


def line_of(result: Result) -> str:
    tally = result.tally
    kinds = "; ".join(f"{count}× {kind}" for kind, (count, _, _) in tally.lost.items())
    note = f" ({result.why_lost})" if result.why_lost else ""
    told = f"{result.cell:<40} {result.event:<12} {result.caller:<8} {tally.lost_count:>5}/{tally.sent}{note}"
    return f"{told}  {kinds}".rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
