"""The figures of a run, as tables for people and as JSON for pages."""

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from tests.kubernetes.authority import Disturbance
from tests.kubernetes.faults import Result
from tests.kubernetes.load import Tally
from tests.kubernetes.memory import Memory

_MIB: Final = 1 << 20


class Report(NamedTuple):
    """`seconds` by what took them; `shown` of `steps` of the walkthrough showed what they must."""

    kubernetes: str
    seconds: dict[str, float]
    steps: int
    shown: int
    lost: list[Result]
    disturbances: list[Disturbance]
    memory: list[Memory]

    @property
    def is_fine(self) -> bool:
        tallies = [*(each.tally for each in self.lost), *(each.tally for each in self.disturbances)]
        return self.steps == self.shown and not any(tally.lost_count for tally in tallies)


def text_of(report: Report) -> str:
    lines = [
        f"Kubernetes {report.kubernetes}",
        f"walkthrough: {report.shown} of {report.steps} steps show what they must",
    ]
    lines += _table(("seconds", ""), ((what, f"{seconds:.1f}") for what, seconds in report.seconds.items()))
    lines += _table(("memory, MiB", ""), ((each.what, f"{each.working_set / _MIB:.0f}") for each in report.memory))
    lost = ((each.event, _where(each), str(each.replicas), _told(each.tally)) for each in report.lost)
    lines += _table(("event", "gateway", "replicas", "lost of"), lost)
    disturbed = ((each.name, f"{each.seconds:.1f}", _told(each.tally)) for each in report.disturbances)
    lines += _table(("disturbance", "seconds", "lost of"), disturbed)
    return "\n".join(lines)


def json_of(report: Report) -> str:
    return json.dumps(_plain(report), indent=2)


def _plain(value: Any) -> Any:
    """Tuples with names as objects."""
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _told(tally: Tally) -> str:
    kinds = "; ".join(f"{count}× {kind}" for kind, count in tally.lost.items())
    return f"{tally.lost_count} of {tally.sent}  {kinds}".rstrip()


def _where(result: Result) -> str:
    return "meshed" if result.is_meshed else "unmeshed"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Nothing where there are no rows."""
    all_rows = [head, *rows]
    if len(all_rows) == 1:
        return []
    widths = [max(len(row[column]) for row in all_rows) for column in range(len(head) - 1)]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + [row[-1]] for row in all_rows)
    return ["", *("  ".join(row).rstrip() for row in padded)]
