"""Ranks of routes read as the criteria that they were made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.compile.gateway.criteria import CRITERIA, compared
from crossfade.compile.routing.precedence import Weight, rank, weights

KINDS = tuple(criterion.kind for criterion in CRITERIA)
WEIGHTS = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
}
RANKED = st.tuples(*(WEIGHTS[kind] for kind in KINDS))


@given(RANKED)
def test_a_rank_says_what_it_was_made_of(given_weights: tuple[Weight, ...]) -> None:
    assert weights(rank(*given_weights), KINDS) == given_weights


@given(RANKED, RANKED)
def test_the_last_criterion_decides_as_the_ranks_do(one: tuple[Weight, ...], other: tuple[Weight, ...]) -> None:
    found = compared(rank(*one), rank(*other))
    *equal, last = found
    assert all(each.winner == each.runner_up for each in equal)
    assert (last.winner < last.runner_up) == (one < other)  # type: ignore[operator]  # of one type


def test_another_text_is_no_rank() -> None:
    with pytest.raises(ValueError, match="no end"):
        weights("0abc", (bool, str))
