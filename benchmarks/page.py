"""The tables of docs/performance.md, from the figures that are kept."""

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks.compare import names
from benchmarks.compare.ratios import ratios
from benchmarks.compare.scenarios import ALL, GATEWAYS, MESH

_PART: Final = re.compile(r"(<!-- figures: (?P<name>[\w-]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
Rounds = Mapping[str, Mapping[str, Sequence[float]]]


def written(page: str, found: Mapping[str, Any]) -> str:
    """With the part of each name anew; the text around them stays."""
    made = {name: "\n".join(make(found)) for name, make in PARTS.items()}
    return _PART.sub(lambda part: f"{part[1]}\n{made[part['name']]}\n\n{part[3]}", page)


def _measured(found: Mapping[str, Any]) -> Iterator[str]:
    requests = found["requests"]
    versions = requests["versions"]
    called = {"crossfade": "Crossfade", "envoy": "Envoy", **names.GATEWAYS}
    listed = ", ".join(f"{called[name]} {versions[name]}" for name in called if name in versions)
    rounds = max(len(own) for by_who in requests["us"].values() for own in by_who.values())
    yield (
        f"Measured on {requests['date']}: {listed}; {requests['processors']} × {requests['processor']}, Linux"
        f" {requests['kernel']}. {rounds} rounds, {requests['connections']} connections."
    )


def _ratios(found: Mapping[str, Any]) -> Iterator[str]:
    us: Rounds = found["requests"]["us"]
    others = [who for who in _measured_gateways(us) if who != "native"]
    yield from _head("÷ Envoy with its filters", [names.GATEWAYS[who] for who in others])
    for name, scenario in GATEWAYS.items():
        own = ratios(us[name], scenario.base)
        yield _row(scenario.title, [str(own[who]) if who in own else "–" for who in others])


def _mesh(found: Mapping[str, Any]) -> Iterator[str]:
    us: Rounds = found["requests"]["us"]
    yield from _head("way", ["CPU of all proxies", "÷ bare Envoys"])
    for name, scenario in MESH.items():
        own = ratios(us[name], scenario.base)
        for who, label in names.of(name).items():
            yield _row(f"{scenario.title}: {label}", [f"{statistics.median(us[name][who]):.0f} µs", str(own[who])])


def _microseconds(found: Mapping[str, Any]) -> Iterator[str]:
    us: Rounds = found["requests"]["us"]
    contestants = _measured_gateways(us)
    yield from _head("µs of CPU a request", [names.GATEWAYS[who] for who in contestants])
    for name in GATEWAYS:
        medians = {who: f"{statistics.median(own):.1f}" for who, own in us[name].items()}
        yield _row(ALL[name].title, [medians.get(who, "–") for who in contestants])


def _measured_gateways(us: Rounds) -> list[str]:
    return [who for who in names.GATEWAYS if any(who in us[name] for name in GATEWAYS)]


def _changes(found: Mapping[str, Any]) -> Iterator[str]:
    yield from _head("one change", ["p50", "p99", "CPU of the control plane", "CPU of the fake proxies"])
    for one in found.get("changes", {}).get("rows", []):
        times = [f"{one[name]:.0f} ms" if name in one else "–" for name in ("p50", "p99", "cpu", "fakes")]
        yield _row(one["what"], times)


def _memory(found: Mapping[str, Any]) -> Iterator[str]:
    yield from _head("MiB resident (PSS)", ["alone", "with 1 000 routes", "with 1 000 endpoints"])
    for one in found.get("memory", {}).get("rows", []):
        shown = (one[shape] for shape in ("alone", "routes", "endpoints"))
        yield _row(one["what"], [f"{each['rss']:.0f} ({each['pss']:.0f})" for each in shown])


PARTS: Final = {
    "measured": _measured,
    "ratios": _ratios,
    "mesh": _mesh,
    "microseconds": _microseconds,
    "changes": _changes,
    "memory": _memory,
}


def _head(first: str, others: Sequence[str]) -> Iterator[str]:
    yield _row(first, others)
    yield _row("---", ["---"] * len(others))


def _row(first: str, others: Sequence[str]) -> str:
    return f"| {' | '.join([first, *others])} |"
