import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade_local.apiserver.values.goscalars import base64_problem, time_problem
from crossfade_local.apiserver.values.gotext import GoStruct, plain, quoted, to_json
from crossfade_local.quantity import QuantityError, canonical, parse


@pytest.mark.parametrize(
    ("given_form", "stored"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("1500Mi", "1500Mi"),
        ("1.5Gi", "1536Mi"),
        ("100000", "100k"),
        (2, "2"),
        (0.1, "100m"),
        ("1e3", "1e3"),
        ("0", "0"),
        ("-1", "-1"),
        ("1Ki", "1Ki"),
    ],
)
def test_quantities(given_form: Any, stored: str) -> None:
    assert canonical(given_form) == stored
    assert parse(stored) == parse(given_form)


@given(st.integers(0, 10**15), st.sampled_from(["", "m", "k", "M", "Ki", "Mi"]))
def test_the_canonical_form_is_stable_and_means_the_same(amount: int, suffix: str) -> None:
    text = canonical(f"{amount}{suffix}")
    assert canonical(text) == text
    assert parse(text) == parse(f"{amount}{suffix}")


@pytest.mark.parametrize("text", ["", "x", "1x", "1.2.3", "1 Gi", True])
def test_no_quantities(text: Any) -> None:
    with pytest.raises(QuantityError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "byte"),
    [("YQ==", None), ("", None), ("Y\nQ==", None), ("not base64!", 3), ("abc", 0), ("YQ==x", 4), ("YQ=", 3)],
)
def test_base64(text: str, byte: int | None) -> None:
    assert base64_problem(text) == (None if byte is None else f"illegal base64 data at input byte {byte}")


@pytest.mark.parametrize(
    ("text", "micro", "problem"),
    [
        ("2026-01-01T00:00:05.123456Z", True, None),
        ("2026-01-01T00:00:05+01:00", False, None),
        ("2026-01-01T00:00:00Z", True, 'cannot parse "Z" as ".000000"'),
        ("yesterday", False, 'cannot parse "yesterday" as "2006"'),
        ("2026-13-01T00:00:00Z", False, "month out of range"),
        ("2026-01-01 00:00:00Z", False, 'cannot parse " 00:00:00Z" as "T"'),
        ("2026-01-01T00:00:00Zx", False, 'extra text: "x"'),
    ],
)
def test_times(text: str, micro: bool, problem: str | None) -> None:
    found = time_problem(text, micro=micro)
    assert found is None if problem is None else found is not None and found.endswith(problem)


def test_values_are_printed_as_go_prints_them() -> None:
    value = {"b": [1, "x", None, True], "a": {"c": 1.5}}
    assert plain(value) == "map[a:map[c:1.5] b:[1 x <nil> true]]"
    assert to_json(value) == '{"a":{"c":1.5},"b":[1,"x",null,true]}'
    assert to_json(GoStruct(b="<&>", a=1.0)) == '{"b":"\\u003c\\u0026\\u003e","a":1}'
    assert quoted('a"b\n\x01é') == '"a\\"b\\n\\x01é"'


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "9" * 200_000, "0." + "1" * 200_000])
def test_no_quantity_takes_long(text: str) -> None:
    before = time.process_time()
    parse(text)
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize("text", ["Mi", "+", ".", "e3"])
def test_kubernetes_takes_a_quantity_without_digits_for_nothing(text: str) -> None:
    assert parse(text) == 0
