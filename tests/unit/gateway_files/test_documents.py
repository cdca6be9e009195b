"""Cutting a file into documents and reading one: the same as YAML's parser makes of the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.gateway_files.documents import SyntaxTrouble, content_line, documents, loaded, unusable

LINES = [
    "---",
    "--- # new",
    "--- {a: 1}",
    "...",
    "a: 1",
    "b: |",
    "  text",
    "  --- no mark",
    "# comment",
    "",
    "%YAML 1.1",
]


@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_the_documents_together_are_the_file(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = list(documents(text))
    assert "".join(document.text for document in found) == text
    lines_before = 1
    for document in found:
        assert document.line == lines_before
        lines_before += document.text.count("\n")


def values(text: str) -> list[object] | None:
    """None where it is no YAML."""
    try:
        return [value for value in loaded(text) if value is not None]
    except SyntaxTrouble:
        return None


@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_cutting_gives_what_yaml_makes_of_the_whole(lines: list[str]) -> None:
    text = "\n".join(lines)
    whole, parts = values(text), [values(document.text) for document in documents(text)]
    if "%YAML 1.1" in lines and (whole is None or not all(isinstance(value, dict) for value in whole)):
        # A directive after content is refused only together with that content, or is part of a bare text.
        return
    together = None if None in parts else [value for part in parts for value in part or ()]
    assert together == whole


def test_a_document_begins_where_its_content_does() -> None:
    text = "# about\n\n---\n# this\na: 1\n---\nb: 2\n"
    one, two = documents(text)
    assert (one.line + content_line(one.text), two.line + content_line(two.text)) == (5, 7)


def test_dates_are_texts_as_for_kubernetes() -> None:
    assert loaded("a: 2026-01-02\nb: 2026-13-45") == [{"a": "2026-01-02", "b": "2026-13-45"}]


@pytest.mark.parametrize("is_json", [True, False])
def test_what_json_writes_in_two_halves_is_one_character(is_json: bool) -> None:
    text = '{"a": "\\ud83d\\ude00"}'
    assert loaded(text, is_json=is_json) == [{"a": "😀"}]
    assert unusable(text, loaded(text)[0]) is None


def test_half_a_surrogate_pair_is_named_with_its_place() -> None:
    text = 'a:\n- b: "\\ud800"\n'
    found = unusable(text, loaded(text)[0])
    assert found is not None
    assert found.field == "a[0].b"


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]",
        "a: &a [1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=True)),
    ],
    ids=["endless", "a billion laughs"],
)
def test_aliases_do_not_make_a_value_endless(text: str) -> None:
    found = unusable(text, loaded(text)[0])
    assert found is not None
    assert "larger than any object" in found.problem


@pytest.mark.parametrize(
    "text", ["a: [", "? {a: b}\n: c", "a: \x01", "{[1]: 2}", "a: !!python/object:os.system {}", "[" * 2000]
)
def test_what_is_no_manifest_is_a_syntax_trouble(text: str) -> None:
    with pytest.raises(SyntaxTrouble):
        loaded(text)


def test_brackets_without_end_do_not_end_the_process() -> None:
    with pytest.raises(SyntaxTrouble, match="levels deep"):
        loaded("a: " + "[" * 100_000)
