"""The page with what plugins cost: rows that were measured in one run take the place of older ones."""

import re
from collections.abc import Mapping
from typing import NamedTuple

HEAD = """\
# What plugins cost

Envoy's CPU on a route with a plugin, less that of the same route without it, for each request: the median of
interleaved rounds of `python -m benchmarks.plugin_costs --write`, which says how. A plain request through the gateway
took about 33 us of CPU on that machine; compare rows with each other, not with another machine. Plugins marked ¹
answer in place of the upstream, so that what that would cost goes away. acme adds nothing to requests: challenges have
a route of their own.

| measured | added | ratio | compared with |
| --- | --- | --- | --- |
"""
_ROW = re.compile(r"^\| `(?P<name>[^`]+)` ?¹? \|.*\|$", re.MULTILINE)


class Cost(NamedTuple):
    """`added_us` are microseconds of CPU; `base` is the name of what it is compared with."""

    added_us: float
    ratio: float
    base: str
    answers: bool


def merged(page: str, found: Mapping[str, Cost]) -> str:
    rows = {row["name"]: row[0] for row in _ROW.finditer(page)} | {name: _row(name, one) for name, one in found.items()}
    return HEAD + "".join(f"{rows[name]}\n" for name in sorted(rows))


def _row(name: str, cost: Cost) -> str:
    mark = " ¹" if cost.answers else ""
    base = cost.base.strip("()").replace("none", "no plugin")
    return f"| `{name}`{mark} | {cost.added_us:+.1f} us | {cost.ratio:.2f} | {base} |"
