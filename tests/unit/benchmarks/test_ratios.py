"""Ratios are made within rounds, and their middle half says how far rounds differ."""

import pytest
from benchmarks.compare.ratios import Ratio, percentile, ratio, ratios


def test_a_round_in_which_all_was_slow_changes_no_ratio() -> None:
    assert ratio([2.0, 20.0, 4.0], [1.0, 10.0, 2.0]) == Ratio(2.0, 2.0, 2.0)


def test_the_middle_half_leaves_out_what_one_round_was_disturbed_by() -> None:
    found = ratio([1.0, 1.1, 1.2, 1.3, 9.0], [1.0] * 5)
    assert found == pytest.approx((1.2, 1.1, 1.3))


def test_one_round_has_no_spread() -> None:
    assert str(ratio([3.0], [2.0])) == "1.50"


def test_a_spread_that_is_seen_is_shown() -> None:
    assert str(Ratio(1.204, 1.196, 1.214)) == "1.20 (1.20–1.21)"


def test_rounds_that_do_not_belong_together_are_no_ratio() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0])


def test_without_what_they_are_compared_with_there_are_no_ratios() -> None:
    assert ratios({"nginx": [1.0]}, "native") == {}
    assert ratios({"nginx": [1.0], "native": [2.0]}, "native")["nginx"].median == 0.5


@pytest.mark.parametrize(
    ("count", "hundredth", "expected"), [(100, 50, 50), (100, 99, 99), (30, 99, 30), (30, 50, 15), (1, 99, 1)]
)
def test_percentiles_are_values_that_were_measured(count: int, hundredth: int, expected: int) -> None:
    assert percentile(range(count, 0, -1), hundredth) == expected
