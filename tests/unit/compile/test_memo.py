"""Remembering results as long as the same objects come again."""

from hypothesis import given
from hypothesis import strategies as st

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.memo import Memo
from crossfade_kube.meta import ObjectRef

REF = ObjectRef("v1", "Test", "demo", "a")


class Counting:
    def __init__(self) -> None:
        self.memo = Memo()
        self.made = 0

    def compile(self, *inputs: object, key: str = "k") -> tuple[int, list[str]]:
        diagnostics = Diagnostics()
        self.memo.begin()

        def make(found: Diagnostics) -> int:
            self.made += 1
            found.warning(REF, "test", f"made {self.made}")
            return self.made

        return self.memo.of(key, inputs, make, diagnostics), [item.message for item in diagnostics]


def test_the_same_objects_are_not_compiled_again_but_told_again() -> None:
    counting, thing = Counting(), object()
    assert counting.compile(thing, "a", 1) == (1, ["made 1"])
    assert counting.compile(thing, "".join(["a"]), 1) == (1, ["made 1"])
    assert counting.compile(object(), "a", 1) == (2, ["made 2"])


def test_equal_objects_are_not_the_same() -> None:
    counting = Counting()
    assert counting.compile([1]) != counting.compile([1])


def test_what_a_compilation_did_not_use_is_forgotten() -> None:
    counting, thing = Counting(), object()
    counting.compile(thing)
    counting.compile(thing, key="other")
    assert counting.compile(thing)[0] == 3


def test_more_inputs_are_others() -> None:
    counting, thing = Counting(), object()
    assert counting.compile(thing)[0] == 1
    assert counting.compile(thing, None)[0] == 2


class Thing:
    pass


@given(st.lists(st.tuples(st.booleans(), st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab")), max_size=6))))
def test_each_gives_what_making_all_gives_and_makes_only_what_is_new(
    rounds: list[tuple[bool, list[tuple[int, str]]]],
) -> None:
    """A round: whether what all share has changed, and which things come with which second input."""
    memo, things, shared = Memo(), [Thing() for _ in range(5)], 0
    known: dict[int, tuple[str, int]] = {}
    for is_other, chosen in rounds:
        shared += is_other
        wanted = dict(chosen)
        made: list[int] = []

        def make(thing: Thing, second: str, found: Diagnostics, made: list[int] = made) -> str:
            made.append(things.index(thing))
            found.warning(REF, "test", f"{things.index(thing)} {second}")
            return second

        memo.begin()
        diagnostics = Diagnostics()
        inputs = ((things[number], second) for number, second in wanted.items())
        assert memo.each("k", inputs, (shared,), make, diagnostics) == tuple(wanted.values())
        assert made == [number for number, second in wanted.items() if known.get(number) != (second, shared)]
        assert {item.message for item in diagnostics} == {f"{number} {second}" for number, second in wanted.items()}
        known = {number: (second, shared) for number, second in wanted.items()}


def test_each_gives_the_very_same_as_long_as_nothing_is_different() -> None:
    memo, things = Memo(), [Thing(), Thing()]

    def results(*chosen: Thing) -> tuple[object, ...]:
        memo.begin()
        return memo.each("k", ((thing,) for thing in chosen), (), lambda thing, _: thing, Diagnostics())

    first = results(*things)
    assert results(*things) is first
    assert results(*reversed(things)) == first[::-1]
