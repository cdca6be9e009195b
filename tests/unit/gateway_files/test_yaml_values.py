"""The quick way through YAML makes the values that PyYAML makes."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crossfade.gateway_files.yaml_values import values

# No dates: those are texts here.
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(st.characters(codec="utf-8"))
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(scalars, inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(trees, min_size=1, max_size=3), st.sampled_from([None, True, False]))
def test_what_was_written_is_read(wanted: list[Any], style: bool | None) -> None:
    text = yaml.safe_dump_all(wanted, default_flow_style=style, allow_unicode=True)
    assert values(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "a: yes\nb: No\nc: 0x1F\nd: 017\ne: 1_000\nf: 1:30\ng: .inf\nh: ~\ni:\nj: ''\nk: 1e3\nl: 1.0e+3\n",
        "a: 'yes'\nb: \"0x1F\"\nc: |\n  true\nd: >-\n  1\n  2\n",
        "1: a\ntrue: b\n~: c\n1.5: d\n",
        "a: 1\na: 2\n",
        "[a, {b: c}, [], {}]",
        "a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n",
        "a: !!str 1\nb: !!int '2'\nc: !!set {x, y}\n",
        "host: '*.example.com'\nname: a&b\n",
        "=: a\n",
        "",
        "---\n---\na: 1\n...\n",
    ],
)
def test_odd_texts_are_read_as_by_pyyaml(text: str) -> None:
    assert values(text) == list(yaml.safe_load_all(text))


def test_not_a_number_is_a_number() -> None:
    (value,) = values(".nan")
    assert math.isnan(value)


def test_dates_and_the_equals_sign_are_texts() -> None:
    assert values("a: 2026-01-02\nb: 2026-01-02T03:04:05Z\n") == [{"a": "2026-01-02", "b": "2026-01-02T03:04:05Z"}]
    assert values("a: =\n") == values("a: &x =\n") == [{"a": "="}]


@pytest.mark.parametrize("text", ["? [a, b]\n: c\n", "{[a]: b}"])
def test_a_list_as_a_key_is_told_with_its_place(text: str) -> None:
    with pytest.raises(yaml.constructor.ConstructorError) as raised:
        values(text)
    assert raised.value.problem_mark is not None


def test_deep_texts_are_read_or_refused() -> None:
    assert values("[" * 400 + "]" * 400)
    with pytest.raises(yaml.YAMLError, match="nested"):
        values("[" * 600 + "]" * 600)
