"""What users write, against what later stages can carry."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.api.bounds import (
    COUNT,
    FILE_PATH,
    PORT,
    Bounds,
    Misfit,
    encodable,
    file_path,
    header_name,
    header_value,
    host_name,
    is_ip_address,
)

BOUNDS = st.tuples(st.integers(), st.integers()).map(lambda pair: Bounds(min(pair), max(pair)))


def problem(found: object) -> str:
    assert isinstance(found, Misfit)
    return found.problem


@given(BOUNDS, st.integers())
def test_a_number_within_is_kept_and_one_outside_gets_the_bound_it_violates(bounds: Bounds, number: int) -> None:
    found = bounds.check(number)
    nearest = bounds.fitted(number)
    assert bounds.least <= nearest <= bounds.most
    assert found == number == nearest if isinstance(found, int) else found.nearest == nearest != number


@given(st.integers(), st.sampled_from(["", " ", "\t"]))
def test_text_and_number_mean_the_same(number: int, blank: str) -> None:
    expected, found = COUNT.check(number), COUNT.parse(f"{blank}{number}{blank}")
    if isinstance(expected, Misfit):
        assert isinstance(found, Misfit)
        assert found.nearest == expected.nearest
    else:
        assert found == expected


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(st.integers()))
def test_whatever_is_read_is_a_number_within_or_a_problem(value: object) -> None:
    found = COUNT.read(value)
    if isinstance(found, Misfit):
        assert found.problem
        encodable_problem = found.problem.encode()
        assert len(encodable_problem) < 600
    else:
        assert COUNT.least <= found <= COUNT.most


@pytest.mark.parametrize("text", ["", "1_0", "0x10", "１２", "1.5", "1e3", "--1", "1 2", "\ud800"])
def test_what_python_or_others_might_read_as_a_number_is_none(text: str) -> None:
    assert "is not a whole number" in problem(COUNT.parse(text))


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.5, True, None, [], {}])
def test_values_of_other_kinds_are_no_numbers(value: object) -> None:
    assert "is not a whole number" in problem(COUNT.read(value))


def test_numbers_of_any_length_are_answered_in_words() -> None:
    assert "out of range" in problem(PORT.parse("9" * 1_000_000))
    assert problem(PORT.check(10**6000)).startswith("a number of very many digits is too large")
    assert PORT.parse("0" * 100 + "80") == 80
    assert PORT.read(80.0) == 80
    assert problem(PORT.parse("70000")) == "70000 is too large, the least is 1, the most 65535"


@pytest.mark.parametrize("name", ["x-jazz", "X_1", "a.b"])
def test_header_names(name: str) -> None:
    assert header_name(name) == name


@pytest.mark.parametrize("name", ["", ":path", "a b", "a\n", "é", "a" * 20_000])
def test_no_header_names(name: str) -> None:
    assert problem(header_name(name))


def test_header_values_hold_no_line_ends() -> None:
    assert header_value("é\tx") == "é\tx"
    for value in ("a\r\nb: c", "a\0", "\ud800"):
        assert problem(header_value(value))


@pytest.mark.parametrize("name", ["jazz", "jazz.prod.svc.cluster.local.", "_grpc._tcp.x", "1.2.3.4", "a" * 63])
def test_host_names(name: str) -> None:
    assert host_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "a..b", "-a", "a b", "a:80", "é.example", "a" * 64, "a." * 127 + "b", "a\n"])
def test_no_host_names(name: str) -> None:
    assert "is not a host name" in problem(host_name(name))


@pytest.mark.parametrize("text", ["10.0.0.1", "::", "fe80::1", "::ffff:10.0.0.1"])
def test_addresses(text: str) -> None:
    assert is_ip_address(text)


@pytest.mark.parametrize("text", ["", "jazz", "10.0.0", "10.0.0.1:80", "[::1]", "fe80::1%eth0", "10.0.0.0/8", "1\n"])
def test_no_addresses(text: str) -> None:
    assert not is_ip_address(text)


def test_file_paths() -> None:
    assert file_path("/dev/stdout") == "/dev/stdout"
    for path in ("", "/", "/a/", "/a\0", "/" + "a" * FILE_PATH.most, "/\ud800"):
        assert problem(file_path(path))
    assert problem(encodable("\udfff"))
