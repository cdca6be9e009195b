"""Values that a small schema makes much work of: it ends early, and says so."""

from typing import Any

import pytest

from crossfade_local.apiserver.crd import validator
from crossfade_local.apiserver.crd.validator import value_errors
from crossfade_local.apiserver.validation.errors import invalid, listed

TEXT = {"type": "string"}
COUNTED = "[ab]*a" + "[ab]" * 300 + "c"


def items(**schema: Any) -> dict[str, Any]:
    return {"type": "array", "items": {**TEXT, **schema}}


@pytest.mark.parametrize(
    ("schema", "value", "last"),
    [
        (items(), [1] * 300_000, "<nil>: Too many: there are more errors than these 1000"),
        (items(enum=[f"v{n}" for n in range(100_000)]), ["x"] * 300_000, "there are more errors than these 1"),
        (items(anyOf=[{"enum": ["a", "b"]}] * 30_000), ["x"] * 300_000, "more alternatives for the value than can be"),
        (
            {"type": "array", "items": items(), "anyOf": [{"items": {"items": {"minLength": 2}}}] * 1_000},
            [["a"] * 1_000] * 300,
            "more alternatives for the value than can be",
        ),
        ({**TEXT, "pattern": COUNTED}, "ab" * 500_000, "spec: Too many: takes too long to be matched against '[ab]*a"),
    ],
    ids=["many faults", "long faults", "alternatives", "alternatives of a whole", "long text"],
)
def test_ends_early(schema: dict[str, Any], value: Any, last: str) -> None:
    errors = value_errors(schema, value, "spec")
    assert len(errors) <= 1_001
    assert last in str(errors[-1])


def test_patterns_have_so_much_time_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert value_errors(items(pattern="a"), ["a"] * 5, "spec") == []
    monkeypatch.setattr(validator, "_PATTERNS_S", 0.0)
    (error,) = value_errors(items(pattern="a"), ["a"] * 5, "spec")
    assert str(error) == "spec[1]: Too many: takes too long to be matched against 'a'"


def test_what_is_among_many_is_found() -> None:
    """In one look for each, which a test for its time would be needed to see; here that both kinds of sets tell."""
    allowed = [f"v{n}" for n in range(1_000)]
    assert value_errors(items(enum=allowed), allowed, "spec") == []
    assert value_errors({"enum": [{"a": 1}, [2]]}, [2], "spec") == []
    assert len(value_errors({"enum": ["a"]}, {"a": 1}, "spec")) == 1


def test_few_errors_are_all_listed() -> None:
    few = [invalid("a", number, "wrong") for number in range(1_000)]
    assert listed(iter(few)) == few
