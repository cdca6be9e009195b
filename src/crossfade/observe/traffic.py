"""Traffic put together from what single series count: who asked, how much of it, how well. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple, TypeAlias, TypeVar

from crossfade.observe.counts import (
    CONSUMERS,
    CONSUMERS_DENIED,
    DENIED,
    DURATIONS,
    FAILED,
    REQUESTS,
    Counts,
    Series,
    quantile,
)

K = TypeVar("K")
_FEW: Final = 2
_SKEW: Final = 0.1


class Refusal(NamedTuple):
    policy: str
    code: str


@dataclass
class Flow:
    """Requests of one kind. `buckets` are by upper bound in milliseconds, each with all below it."""

    classes: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    buckets: Counter[float] = field(default_factory=Counter)
    refusals: Counter[Refusal] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        return sum(self.classes.values())

    @property
    def failed(self) -> int:
        return sum(count for name, count in self.classes.items() if name in FAILED)

    @property
    def refused(self) -> int:
        return sum(self.refusals.values())

    @property
    def success(self) -> float | None:
        """The share that did not fail; None of nothing."""
        return 1 - self.failed / self.requests if self.requests else None

    def quantile_ms(self, share: float) -> float | None:
        return quantile(self.buckets, share)


class RouteKey(NamedTuple):
    """Both empty: no route took the request."""

    service: str
    route: str


class Hop(NamedTuple):
    """From one virtual node to another. Who asks from outside of the mesh has no source."""

    source_namespace: str
    source: str
    service: str
    target_namespace: str
    target: str


def routes_of(counts: Counts) -> dict[RouteKey, Flow]:
    """Of gateways. A refusal names no service: it belongs to the route whatever its service is."""
    flows: dict[RouteKey, Flow] = {}
    _add(counts, flows, lambda series: [_route(series)] if series.label("reporter") == "gateway" else [])
    by_route = {key.route: flow for key, flow in flows.items()}
    for series, count in counts.items():
        if series.name == DENIED:
            name = series.label("route")
            if name not in by_route:
                by_route[name] = flows[RouteKey("", name)] = Flow()
            by_route[name].refusals[_refusal(series)] += count
    return flows


def consumers_of(counts: Counts) -> dict[str, Flow]:
    """Of gateways, by the consumers' names."""
    flows: dict[str, Flow] = {}
    for series, count in counts.items():
        if series.name in (CONSUMERS, CONSUMERS_DENIED):
            flow = flows.setdefault(series.label("consumer"), Flow())
            if series.name == CONSUMERS:
                flow.classes[series.label("code_class")] += count
            else:
                flow.refusals[_refusal(series)] += count
    return flows


def hops_of(pages: Iterable[Counts]) -> dict[Hop, Flow]:
    """Of sidecars. A callee does not know who asks: what no caller in the mesh has counted came from outside of it."""
    asked: dict[Hop, Flow] = {}
    answered: dict[Hop, Flow] = {}
    for page in pages:
        _add(page, asked, partial(_hops, "source", _namespaces(page)))
        _add(page, answered, partial(_hops, "destination", _namespaces(page)))
    return asked | dict(_from_outside(asked, answered))


def _add(counts: Counts, flows: dict[K, Flow], keys_of: Callable[[Series], Iterable[K]]) -> None:
    """Requests and durations."""
    for series, count in counts.items():
        if series.name not in (REQUESTS, DURATIONS):
            continue
        for key in keys_of(series):
            flow = flows.setdefault(key, Flow())
            if series.name == DURATIONS:
                flow.buckets[float(series.label("le"))] += count
                continue
            flow.classes[series.label("code_class")] += count
            if flag := series.label("flags").removeprefix("-"):
                flow.flags[flag] += count


def _route(series: Series) -> RouteKey:
    return RouteKey(series.label("service"), series.label("route"))


def _refusal(series: Series) -> Refusal:
    return Refusal(series.label("policy"), series.label("code"))


_Namespaces: TypeAlias = dict[tuple[str, ...], set[tuple[str, str]]]


def _namespaces(page: Counts) -> _Namespaces:
    """Of source and target. Durations do not have them."""
    found: _Namespaces = {}
    for series in page:
        if series.name == REQUESTS:
            pair = (series.label("source_namespace"), series.label("target_namespace"))
            found.setdefault(_parties(series), set()).add(pair)
    return found


def _parties(series: Series) -> tuple[str, ...]:
    return tuple(series.label(name) for name in ("reporter", "source", "service", "target"))


def _hops(reporter: str, namespaces: _Namespaces, series: Series) -> Iterator[Hop]:
    if series.label("reporter") != reporter:
        return
    pairs = namespaces.get(_parties(series), set())
    if series.name == REQUESTS:
        pairs = {(series.label("source_namespace"), series.label("target_namespace"))}
    for of_source, of_target in pairs:
        yield Hop(of_source, series.label("source"), series.label("service"), of_target, series.label("target"))


def _from_outside(asked: Mapping[Hop, Flow], answered: Mapping[Hop, Flow]) -> Iterator[tuple[Hop, Flow]]:
    inside: dict[tuple[str, str], Flow] = {}
    for hop, flow in asked.items():
        inside.setdefault((hop.target_namespace, hop.target), Flow()).classes.update(flow.classes)
    for hop, flow in answered.items():
        known = inside.get((hop.target_namespace, hop.target), Flow())
        # Pages are not read at the same moment: a few requests stand on one side only.
        if flow.requests - known.requests <= max(_FEW, _SKEW * flow.requests):
            continue
        rest = flow.classes - known.classes
        buckets = flow.buckets if not known.requests else Counter[float]()
        yield Hop("", "", "", hop.target_namespace, hop.target), Flow(classes=rest, buckets=buckets)
