"""Whatever is refused and why: the search ends, soon, and with something that was accepted."""

import math
from collections.abc import Callable
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crossfade.compile.culprits import Search, judged, search

SUSPECTS = st.integers(1, 200)
Refuses = Callable[[frozenset[int]], bool]


def searched(suspects: int, refuses: Refuses) -> tuple[Search[int], int]:
    """The outcome, and how many trials it took."""
    everybody, state, trials = frozenset(range(suspects)), search(range(suspects)), 0
    while not state.is_over:
        trials += 1
        state = judged(state, is_refused=refuses(everybody - state.left_out))
    return state, trials


@given(st.data(), SUSPECTS)
def test_exactly_the_culprits_are_found(data: st.DataObject, suspects: int) -> None:
    bad = data.draw(st.sets(st.integers(0, suspects - 1), min_size=1, max_size=5))
    state, trials = searched(suspects, lambda present: bool(present & bad))
    assert set(state.guilty) == state.left_out == bad
    assert trials <= 1 + 2 * len(bad) * (math.ceil(math.log2(suspects)) + 1)


@given(SUSPECTS, st.data())
def test_one_culprit_takes_two_trials_at_most_for_each_halving(suspects: int, data: st.DataObject) -> None:
    bad = data.draw(st.integers(0, suspects - 1))
    _, trials = searched(suspects, lambda present: bad in present)
    assert trials <= 1 + 2 * math.ceil(math.log2(suspects))


@given(SUSPECTS, st.data())
def test_of_two_that_cannot_stand_together_one_is_left_out(suspects: int, data: st.DataObject) -> None:
    pair = data.draw(st.sets(st.integers(0, suspects), min_size=2, max_size=2))
    state, _ = searched(suspects + 1, lambda present: pair <= present)
    assert len(state.guilty) == 1
    assert set(state.guilty) < pair


@given(st.integers(1, 40), st.randoms(use_true_random=False))
def test_whims_end_with_what_was_accepted(suspects: int, whim: Random) -> None:
    verdicts: dict[frozenset[int], bool] = {frozenset(range(suspects)): True}

    def refuses(present: frozenset[int]) -> bool:
        return verdicts.setdefault(present, whim.random() < 0.5)

    state, trials = searched(suspects, refuses)
    assert trials <= 2 * suspects + 1
    assert state.is_hopeless or verdicts[frozenset(range(suspects)) - state.left_out] is False


def test_without_suspects_there_is_no_hope() -> None:
    assert search([]).is_hopeless


class Whims(RuleBasedStateMachine):
    """Any verdict at any time."""

    @initialize(suspects=SUSPECTS)
    def start(self, suspects: int) -> None:
        self.begin(suspects)

    def begin(self, suspects: int) -> None:
        self.everybody = frozenset(range(suspects))
        self.state = search(range(suspects))
        self.accepted: frozenset[int] | None = None
        # That all of them together are refused is known from the beginning.
        self.known = {frozenset[int](): True}

    @precondition(lambda self: self.state.is_over)
    @rule(suspects=SUSPECTS)
    def begin_again(self, suspects: int) -> None:
        self.begin(suspects)

    @precondition(lambda self: not self.state.is_over)
    @rule(is_refused=st.booleans())
    def judge(self, is_refused: bool) -> None:
        assert self.state.left_out not in self.known, "a trial whose verdict is known"
        self.known[self.state.left_out] = is_refused
        if not is_refused:
            self.accepted = self.state.left_out
        self.state = judged(self.state, is_refused=is_refused)

    @invariant()
    def guilty_ones_stay_out_and_the_outcome_was_accepted(self) -> None:
        if not hasattr(self, "state"):
            return
        assert set(self.state.guilty) <= self.state.left_out <= self.everybody
        if self.state.is_over and not self.state.is_hopeless:
            assert self.accepted == self.state.left_out == set(self.state.guilty)
            assert self.state.guilty


TestWhims = Whims.TestCase
