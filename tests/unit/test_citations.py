"""Sections and rules of docs/spec that code and documentation cite exist there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SPECIFICATIONS = ("kong", "appmesh")
FOLDERS = ("src", "filters", "generate", "benchmarks", "tests", "docs")
SUFFIXES = (".py", ".rs", ".md")
RULE = r"(?:R-|[CDGO])\d+"
SECTION = r"§?\d+(?:\.\d+)*"
# A page's name and all that is cited of it, such as "kong.md §0, C5-C10 and C13" or "appmesh.md §3.5-3.7".
CITATION = re.compile(rf"\b(kong|appmesh)\.md (?=§|{RULE})((?:(?:, | and |-|,? table )?(?:{RULE}|{SECTION}))+)")
LINE_BREAK = re.compile(r"\n\s*(?:#|//[!/]?)?\s*")


class Cited(NamedTuple):
    where: str
    page: str
    item: str


def items_of(page: str) -> set[str]:
    """Numbers of the headings, and names of the rules, which open a table's row or stand in bold."""
    text = (ROOT / "docs" / "spec" / f"{page}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (\d+(?:\.\d+)*)", text, re.MULTILINE)
    rows = re.findall(rf"^\| ({RULE}) \|", text, re.MULTILINE)
    in_bold = re.findall(rf"\*\*\[?({RULE})\b", text)
    return {*headings, *rows, *in_bold}


def citations_in(text: str, where: str) -> Iterator[Cited]:
    for page, items in CITATION.findall(LINE_BREAK.sub(" ", text)):
        for item in re.findall(rf"{RULE}|\d+(?:\.\d+)*", items):
            yield Cited(where, page, item)


def rules_named_alone_in(text: str, where: str) -> Iterator[Cited]:
    return (Cited(where, "kong", rule) for rule in re.findall(r"\bR-\d+\b", text))


def own_sections_in(page: str) -> Iterator[Cited]:
    text = (ROOT / "docs" / "spec" / f"{page}.md").read_text(encoding="utf-8")
    return (Cited(f"docs/spec/{page}.md", page, section) for section in re.findall(r"§(\d+(?:\.\d+)*)", text))


def texts() -> Iterator[tuple[str, str]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            is_ours = path.suffix in SUFFIXES and "_generated" not in path.parts and path != Path(__file__)
            if is_ours and not path.is_relative_to(ROOT / "docs" / "spec"):
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", SPECIFICATIONS)
def test_what_code_and_documentation_cite_exists(page: str) -> None:
    cited = [
        found for where, text in texts() for found in (*citations_in(text, where), *rules_named_alone_in(text, where))
    ]
    of_page = [found for found in cited if found.page == page]
    assert len(of_page) > 30
    existing = items_of(page)
    assert [found for found in of_page if found.item not in existing] == []


@pytest.mark.parametrize("page", SPECIFICATIONS)
def test_sections_that_a_page_refers_to_exist(page: str) -> None:
    existing = items_of(page)
    assert [found for found in own_sections_in(page) if found.item not in existing] == []


def test_every_way_to_cite_is_understood() -> None:
    text = "Limits (kong.md §0, C5-C10 and\n    # C13), appmesh.md §3.5-3.7; kong.md §3.9, table G2; kong.md §9, R-50."
    assert [(found.page, found.item) for found in citations_in(text, "x")] == [
        *(("kong", item) for item in ("0", "C5", "C10", "C13")),
        *(("appmesh", item) for item in ("3.5", "3.7")),
        *(("kong", item) for item in ("3.9", "G2", "9", "R-50")),
    ]
