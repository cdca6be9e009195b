"""No YAML text ends the process or raises anything but a YAMLError."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crossfade_kube.yaml_texts import MOST_DEPTH, load, load_all

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)


def test_values() -> None:
    assert list(load_all("a: 1\n---\n[b]\n")) == [{"a": 1}, ["b"]]
    assert load("a: &x [1]\nb: *x") == {"a": [1], "b": [1]}
    assert load("a: &x 1\nb: &y [*x, *x]\nc: *y") == {"a": 1, "b": [1, 1], "c": [1, 1]}
    assert load("") is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000,
        "- " * 100_000,
        "a: " + "[" * MOST_DEPTH + "]" * MOST_DEPTH,
        "9" * 5000,
        "2026-99-99",
        "!!int x",
        "!!float ''",
        "!!timestamp x",
        "a: 1\n---\nb: 2",
        "\x00",
        "&a [*a]",
        "a: &a {b: {c: *a}}",
        LAUGHS,
    ],
    ids=range(15),
)
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load(text)


def test_deep_but_not_too_deep() -> None:
    found = load("[" * MOST_DEPTH + "]" * MOST_DEPTH)
    for _ in range(MOST_DEPTH - 1):
        (found,) = found
    assert found == []


@given(st.text(alphabet="a1:-[]{}&*!|>'\"\n #%@,?<=~.0", max_size=60))
def test_no_text_is_too_strange(text: str) -> None:
    try:
        list(load_all(text))
    except yaml.YAMLError as error:
        assert str(error)  # noqa: PT017 - most texts are fine
