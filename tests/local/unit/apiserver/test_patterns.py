"""Regular expressions of schemas: what they match, and what is kept of them."""

import random
from pathlib import Path

import pytest

from crossfade_local.apiserver.crd.patterns import matches, pattern_error

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("b+", "abba", True),
        ("^b+$", "abba", False),
        # Needs more memory than most.
        (r"^\p{L}{1,200}$", "straße", True),
        (r"^\p{L}{1,200}$", "straße 1", False),
        # Such as no server would store: it matches nothing.
        ("(", "(", False),
    ],
)
def test_a_pattern_is_looked_for_anywhere(pattern: str, value: str, *, expected: bool) -> None:
    assert matches(pattern, value) is expected


def test_faults_are_named_as_go_does() -> None:
    assert pattern_error("a{1,200}") == ""
    assert pattern_error("(a") == "error parsing regexp: missing closing ): `(a`"


def test_little_is_kept_of_patterns_that_take_many_states() -> None:
    text = "".join(random.Random(1).choices("ab", k=50_000))
    before = _memory()
    for number in range(60):
        assert not matches(f"a(?:a|b){{14}}(?:c|d{number})", text)
    assert _memory() - before < 40 * MIB


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
