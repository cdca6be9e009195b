"""Ranks compare like the tuples that they stand for."""

from hypothesis import given
from hypothesis import strategies as st

from crossfade.compile.routing.precedence import rank

NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]))
WEIGHTS = st.tuples(st.booleans(), NUMBERS, TEXTS, NUMBERS, TEXTS)


@given(WEIGHTS, WEIGHTS)
def test_ranks_compare_like_tuples(one: tuple[bool | int | str, ...], other: tuple[bool | int | str, ...]) -> None:
    assert (rank(*one).encode() < rank(*other).encode()) is (one < other)
