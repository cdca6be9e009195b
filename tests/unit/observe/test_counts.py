"""Pages of proxies become counts, two of them what happened in between."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.observe.counts import Counts, Series, counts_of, increments, quantile, wilson

PAGE = r"""
# TYPE envoy_crossfade_requests_total counter
envoy_crossfade_requests_total{reporter="source",source="a\"\\b\nc",code_class="2xx"} 7
# TYPE crossfade_request_duration_milliseconds histogram
crossfade_request_duration_milliseconds_bucket{reporter="gateway",le="5"} 2
crossfade_request_duration_milliseconds_bucket{reporter="gateway",le="+Inf"} 3
crossfade_request_duration_milliseconds_count{reporter="gateway"} 3
# TYPE kong_http_requests_total counter
kong_http_requests_total{service="s"} 4
"""


def series(name: str, **labels: str) -> Series:
    return Series(name, tuple(sorted(labels.items())))


A, B = series("crossfade_requests_total", route="a"), series("crossfade_requests_total", route="b")


def test_a_page_is_read_without_envoys_prefix_and_others_families() -> None:
    bucket = "crossfade_request_duration_milliseconds_bucket"
    assert counts_of(PAGE.splitlines()) == {
        series("crossfade_requests_total", reporter="source", source='a"\\b\nc', code_class="2xx"): 7,
        series(bucket, reporter="gateway", le="5"): 2,
        series(bucket, reporter="gateway", le="+Inf"): 3,
    }


@pytest.mark.parametrize(
    "page",
    [
        "<html>not here</html>",
        'crossfade_requests_total{a="b} 1',
        "crossfade_denied_total{} NaN",
        "crossfade_denied_total -1",
        "crossfade_requests_total twelve",
    ],
)
def test_what_is_no_page_is_refused(page: str) -> None:
    with pytest.raises(ValueError):
        counts_of(page.splitlines())


@pytest.mark.parametrize(
    ("before", "after", "risen"),
    [
        ({A: 3}, {A: 5}, {A: 2}),
        ({A: 3}, {A: 3}, {}),
        ({}, {A: 3}, {A: 3}),
        ({A: 3, B: 1}, {A: 1, B: 2}, {A: 1, B: 2}),
        ({A: 3, B: 1}, {B: 2}, {B: 1}),
    ],
    ids=["more", "the same", "new", "a restarted proxy", "a series that went"],
)
def test_two_pages_say_what_was_counted_between_them(before: Counts, after: Counts, risen: Counts) -> None:
    assert increments(before, after) == risen


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ({}, 0.5, None),
        ({10.0: 0, math.inf: 0}, 0.5, None),
        ({10.0: 10, 20.0: 10, math.inf: 10}, 0.5, 5.0),
        ({10.0: 0, 20.0: 10, math.inf: 10}, 0.5, 15.0),
        ({10.0: 5, 20.0: 10, math.inf: 10}, 0.95, 19.0),
        ({10.0: 0, math.inf: 4}, 0.5, 10.0),
        ({20.0: 4, math.inf: 4}, 1.0, 20.0),
    ],
)
def test_a_quantile_lies_evenly_in_its_bucket(buckets: dict[float, float], share: float, expected: float) -> None:
    assert quantile(buckets, share) == expected


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8), st.floats(0, 1))
def test_a_quantile_lies_within_the_bounds(counts: list[int], share: float) -> None:
    cumulated = [sum(counts[: place + 1]) for place in range(len(counts))]
    bounds = [*(float(place + 1) for place in range(len(counts) - 1)), math.inf]
    found = quantile(dict(zip(bounds, cumulated, strict=True)), share)
    assert (found is None) is (cumulated[-1] == 0)
    assert found is None or 0 <= found <= len(counts)


@pytest.mark.parametrize(
    ("failed", "total", "low", "high"),
    [(0, 0, 0, 1), (1, 3, 0.061, 0.792), (0, 20, 0, 0.161), (50, 1000, 0.038, 0.065), (10, 10, 0.722, 1)],
)
def test_the_interval_is_wilsons(failed: int, total: int, low: float, high: float) -> None:
    assert wilson(failed, total) == pytest.approx((low, high), abs=0.001)
