"""The page of lost requests: what `make mesh-matrix` counted, as it stands in `benchmarks/lost_requests.jsonl`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from generate.reference.markdown import page, table

RESULTS: Final = Path(__file__).resolve().parents[2] / "benchmarks" / "lost_requests.jsonl"
_INTRODUCTION: Final = """# Lost requests

What callers lost of requests sent 200 times a second while pods came and went, in the embedded cluster:
`lost/sent` for each event. The application `exits` ends at once at SIGTERM, `works-on` serves for 8 s after it,
and with `pre-stop` a hook holds it back for 8 s. The caller `mesh` is a pod with a sidecar, `gateway` a client of
Kong's gateway. A cell without a number was not run.

`make mesh-matrix ARGS="http exits"` counts anew; with `LOST_REQUESTS_FILE=benchmarks/lost_requests.jsonl` and
`make docs` the results come here."""
EVENTS: Final = ("rollout", "scale", "delete pod", "new version")


class Run(NamedTuple):
    """One caller during one event. `lost` is by kind; `why_lost` says why nobody could have answered."""

    cell: str
    event: str
    caller: str
    sent: int
    lost: dict[str, int]
    why_lost: str

    @property
    def told(self) -> str:
        note = f" ({self.why_lost})" if self.why_lost else ""
        return f"{sum(self.lost.values())}/{self.sent}{note}"


def runs(text: str) -> dict[tuple[str, str], dict[str, Run]]:
    """By cell and caller, then by event; of several the last one counts."""
    found: dict[tuple[str, str], dict[str, Run]] = {}
    for line in filter(None, text.splitlines()):
        fields: dict[str, Any] = json.loads(line)
        run = Run(**fields)
        found.setdefault((run.cell, run.caller), {})[run.event] = run
    return found


def lost_requests_page(text: str | None = None) -> str:
    """Of the stored results, or of others."""
    found = runs(RESULTS.read_text() if text is None else text)
    header = ("protocol", "discovery", "application", "pods", "caller", *EVENTS)
    return page(_INTRODUCTION, table(header, _rows(found)))


def _rows(found: dict[tuple[str, str], dict[str, Run]]) -> Iterator[tuple[str, ...]]:
    for (cell, caller), by_event in sorted(found.items()):
        protocol, discovery, application, pods, *more = cell.split()
        told = (by_event[event].told if event in by_event else "" for event in EVENTS)
        yield protocol, discovery, " ".join([application, *more]), pods, caller, *told
