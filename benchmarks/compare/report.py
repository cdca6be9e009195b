"""What a series says at its end."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.compare import names
from benchmarks.compare.ratios import ratios
from benchmarks.compare.scenarios import ALL


def lines(results: Mapping[str, Mapping[str, Sequence[float]]]) -> Iterator[str]:
    for name, rounds in results.items():
        scenario, called = ALL[name], names.of(name)
        yield f"{name}: {scenario.title}; CPU of one request, and ÷ {called[scenario.base]} (middle half of rounds)"
        found = ratios(rounds, scenario.base)
        for who, own in rounds.items():
            yield f"  {called[who]:24} {statistics.median(own):7.1f} µs   {found.get(who, '')}"
