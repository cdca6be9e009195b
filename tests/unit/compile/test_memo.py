"""Remembering results as long as the same objects come again."""

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
