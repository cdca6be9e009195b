"""The busiest routes, hops of a mesh and consumers, of what was sampled. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from crossfade.observe import table
from crossfade.observe.scrape import Sampled
from crossfade.observe.traffic import Flow, consumers_of, hops_of, routes_of

Subject: TypeAlias = Literal["routes", "nodes", "consumers"]

NO_ROUTE: Final = "(no route)"
OTHERS: Final = "(others)"
"""Callers outside the mesh, or whose sidecars were not read."""
_SHOWN_REFUSALS: Final = 3


class Refused(Struct, frozen=True, kw_only=True):
    policy: str
    code: str
    requests: int


class Row(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`rps` is there where a window was sampled, not the time since the proxies' start. Times are in milliseconds."""

    requests: int
    rps: float | None = None
    success: float | None = None
    p50: float | None = None
    p95: float | None = None
    route: str | None = None
    service: str | None = None
    source: str | None = None
    target: str | None = None
    consumer: str | None = None
    classes: dict[str, int]
    flags: dict[str, int] = {}
    refused: tuple[Refused, ...] = ()


class Top(Struct, frozen=True, kw_only=True, rename="camel"):
    """`window` is in seconds; null: since the proxies' start. `failed` says what is missing and why, by proxy."""

    as_of: str
    window: float | None
    routes: tuple[Row, ...] = ()
    nodes: tuple[Row, ...] = ()
    consumers: tuple[Row, ...] = ()
    failed: dict[str, str] = {}

    def of(self, subject: Subject) -> tuple[Row, ...]:
        return {"routes": self.routes, "nodes": self.nodes, "consumers": self.consumers}[subject]


def top_of(sample: Sampled, subjects: Sequence[Subject], *, as_of: str) -> Top:
    """What had requests, the busiest first."""
    of_gateways = sample.sum_of("gateway")
    rows: dict[Subject, Iterable[Row]] = {
        "routes": (
            _row(flow, sample.seconds, route=key.route or NO_ROUTE, service=key.service)
            for key, flow in routes_of(of_gateways).items()
        ),
        "nodes": (
            _row(
                flow,
                sample.seconds,
                source=_node(hop.source_namespace, hop.source) or OTHERS,
                target=_node(hop.target_namespace, hop.target) or hop.service or NO_ROUTE,
                service=hop.service,
            )
            for hop, flow in hops_of(sample.of("sidecar")).items()
        ),
        "consumers": (_row(flow, sample.seconds, consumer=name) for name, flow in consumers_of(of_gateways).items()),
    }
    return Top(
        as_of=as_of,
        window=None if sample.seconds is None else round(sample.seconds, 3),
        routes=_busiest(rows["routes"]) if "routes" in subjects else (),
        nodes=_busiest(rows["nodes"]) if "nodes" in subjects else (),
        consumers=_busiest(rows["consumers"]) if "consumers" in subjects else (),
        failed=dict(sorted(sample.failed.items())),
    )


def _node(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if name else ""


def _row(flow: Flow, seconds: float | None, **names: str) -> Row:
    return Row(
        requests=flow.requests,
        rps=None if not seconds else round(flow.requests / seconds, 3),
        success=flow.success,
        p50=flow.quantile_ms(0.5),
        p95=flow.quantile_ms(0.95),
        classes=dict(sorted(flow.classes.items())),
        flags=dict(sorted(flow.flags.items())),
        refused=tuple(
            Refused(policy=refusal.policy, code=refusal.code, requests=count)
            for refusal, count in sorted(flow.refusals.items(), key=lambda item: (-item[1], item[0]))
        ),
        **names,
    )


def _busiest(rows: Iterable[Row]) -> tuple[Row, ...]:
    def place(row: Row) -> tuple[object, ...]:
        return -row.requests, row.route or "", row.source or "", row.target or "", row.consumer or "", row.service or ""

    return tuple(sorted((row for row in rows if row.requests or row.refused), key=place))


_HEADERS: Final[dict[Subject, tuple[str, ...]]] = {
    "routes": ("ROUTE", "SERVICE"),
    "nodes": ("SOURCE → TARGET", "SERVICE"),
    "consumers": ("CONSUMER",),
}


def lines_of(top: Top, subject: Subject, *, limit: int = 0) -> Iterator[str]:
    """A table of the busiest, or nothing where nothing had requests; without a `limit` of all."""
    rows, names = top.of(subject), _HEADERS[subject]
    if not rows:
        return
    rate = "REQUESTS" if top.window is None else "RPS"
    timed = subject != "consumers"
    numbers = (rate, "SUCCESS", *(("P50", "P95") if timed else ()))
    reasons = "FLAGS" if subject == "nodes" else "REFUSED"
    columns = range(len(names), len(names) + len(numbers))
    shown = rows[:limit] if limit else rows
    cells = [(*_names(row, subject), *_numbers(row, timed=timed), _reasons(row, subject)) for row in shown]
    yield from table.lines_of((*names, *numbers, reasons), cells, numbers=frozenset(columns))
    if len(shown) < len(rows):
        yield f"… and {len(rows) - len(shown)} more; --limit 0 shows all"


def _names(row: Row, subject: Subject) -> tuple[str, ...]:
    match subject:
        case "routes":
            return row.route or "", row.service or table.ABSENT
        case "nodes":
            return f"{row.source} → {row.target}", row.service or table.ABSENT
        case "consumers":
            return (row.consumer or "",)


def _numbers(row: Row, *, timed: bool) -> tuple[str, ...]:
    rate = str(row.requests) if row.rps is None else table.amount(row.rps)
    times = (table.milliseconds(row.p50), table.milliseconds(row.p95)) if timed else ()
    return rate, table.share(row.success), *times


def _reasons(row: Row, subject: Subject) -> str:
    """Which plugins refused how much, or why Envoy itself answered."""
    if subject == "nodes":
        return " ".join(f"{flag} {count}" for flag, count in row.flags.items())
    told = [f"{one.policy} {one.code}: {_part(one.requests, row.requests)}" for one in row.refused]
    more = [f"{len(told) - _SHOWN_REFUSALS} more"] if len(told) > _SHOWN_REFUSALS else []
    return ", ".join(told[:_SHOWN_REFUSALS] + more)


def _part(count: int, requests: int) -> str:
    return table.share(min(count / requests, 1.0)) if requests else str(count)
