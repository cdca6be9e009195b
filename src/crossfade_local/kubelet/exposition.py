"""Prometheus' text format. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
GAUGE: Final = "gauge"
COUNTER: Final = "counter"


class Series(NamedTuple):
    """`at`, when it was measured, in seconds since 1970; 0 for now."""

    labels: Mapping[str, str]
    value: float
    at: float = 0.0


class Family(NamedTuple):
    name: str
    kind: str
    help: str
    series: tuple[Series, ...]


def exposition(families: Iterable[Family]) -> str:
    """Families without series are left out."""
    return "".join(f"{line}\n" for family in families if family.series for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.kind}"
    for labels, value, at in family.series:
        named = ",".join(f'{name}="{_escaped(text)}"' for name, text in sorted(labels.items()))
        when = f" {round(at * 1000)}" if at else ""
        yield f"{family.name}{f'{{{named}}}' if named else ''} {value!r}{when}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
