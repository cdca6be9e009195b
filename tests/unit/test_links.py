"""Links between the pages of the repository lead somewhere, anchors included."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("docs", "filters", "src", "tests", "examples")
LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md")]
    return sorted([*ROOT.glob("*.md"), *(path for path in found if "_generated" not in path.parts)])


def links_in(text: str) -> Iterator[str]:
    """Those to pages of ours."""
    # Code has brackets beside brackets too; link texts that are code keep their brackets.
    without_code = CODE.sub("code", text)
    return (target for target in LINK.findall(without_code) if not re.match(r"[a-z]+:", target))


def anchors_of(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def problem(page: Path, target: str) -> str | None:
    name, _, anchor = target.partition("#")
    place = (page.parent / name).resolve() if name else page
    if not place.exists():
        return f"{target}: there is no {name}"
    if anchor and anchor not in anchors_of(place.read_text(encoding="utf-8")):
        return f"{target}: there is no heading {anchor}"
    return None


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    found = [problem(page, target) for target in links_in(page.read_text(encoding="utf-8"))]
    assert [one for one in found if one is not None] == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One page\n\n[`code`](page.md#one-page) [b](#two) [c](gone.md) [d](https://example.org) `[e](f)`\n"
    )
    targets = list(links_in(page.read_text()))
    assert targets == ["page.md#one-page", "#two", "gone.md"]
    assert [problem(page, target) for target in targets] == [
        None,
        "#two: there is no heading two",
        "gone.md: there is no gone.md",
    ]
