"""What two pages of one proxy say of the time between them. Pure.

Counters only rise: one that is lower than before began anew with its proxy, and so did all others of that page.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from prometheus_client.parser import text_fd_to_metric_families

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Sorted by name."""

REQUESTS: Final = "crossfade_requests_total"
DURATIONS: Final = "crossfade_request_duration_milliseconds_bucket"
DENIED: Final = "crossfade_denied_total"
CONSUMERS: Final = "crossfade_consumer_requests_total"
CONSUMERS_DENIED: Final = "crossfade_consumer_denied_total"
READ: Final = frozenset({REQUESTS, DURATIONS, DENIED, CONSUMERS, CONSUMERS_DENIED})
FAILED: Final = frozenset({"5xx", "none"})
"""Classes of statuses of requests that failed; what a client did wrong is no failure."""
_OF_ENVOY: Final = "envoy_"
_Z95: Final = 1.959964


class Series(NamedTuple):
    name: str
    labels: Labels

    def label(self, wanted: str) -> str:
        """Empty where it has none of that name."""
        return next((value for name, value in self.labels if name == wanted), "")


Counts: TypeAlias = dict[Series, int]


def counts_of(lines: Iterable[str]) -> Counts:
    """Those of a page that are read here, without the prefix that Envoy puts before them. Raises ValueError."""
    found: Counts = {}
    for family in text_fd_to_metric_families(lines):  # type: ignore[arg-type] # it is iterated over, no more
        for sample in family.samples:
            name = sample.name.removeprefix(_OF_ENVOY)
            if name not in READ:
                continue
            if not math.isfinite(sample.value) or sample.value < 0:
                raise ValueError(f"{name} is {sample.value}, which counts nothing")
            found[Series(name, tuple(sorted(sample.labels.items())))] = int(sample.value)
    return found


def increments(before: Mapping[Series, int], after: Mapping[Series, int]) -> Counts:
    """What was counted between two pages of a proxy; since its start where it started between them."""
    has_restarted = any(after.get(series, value) < value for series, value in before.items())
    if has_restarted:
        return {series: value for series, value in after.items() if value}
    risen = ((series, value - before.get(series, 0)) for series, value in after.items())
    return {series: value for series, value in risen if value}


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """In the bounds' unit, of counts by upper bound, each with all below it; None of nothing.

    Within a bucket values are taken to lie evenly; what is above all bounds lies at the last.
    """
    total = max(buckets.values(), default=0.0)
    if not total:
        return None
    rank, low, counted = share * total, 0.0, 0.0
    for bound, cumulated in sorted(buckets.items()):
        if cumulated >= rank and cumulated > counted:
            return low if math.isinf(bound) else low + (bound - low) * (rank - counted) / (cumulated - counted)
        low, counted = (low if math.isinf(bound) else bound), max(counted, cumulated)
    return low


def wilson(failed: float, total: float) -> tuple[float, float]:
    """The 95 % interval in which the share lies of which `failed` of `total` were seen; anything of nothing."""
    if not total:
        return 0.0, 1.0
    share, z2 = min(failed / total, 1.0), _Z95 * _Z95
    middle = share + z2 / (2 * total)
    half = _Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    scale = 1 + z2 / total
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
