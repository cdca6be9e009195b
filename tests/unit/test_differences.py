"""The page of differences lists the steps of Kong's recordings that are not replayed, and no others."""

import re
from pathlib import Path

from tests.compat.test_kong_truth import DIFFERENT, RECORDINGS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "differences.md"
ROW = re.compile(r"^\| (\d\d-[a-z0-9-]+) \| ([\d, ]+) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)


def test_every_step_that_differs_is_on_the_page_with_its_reason() -> None:
    rows = {name: set(map(int, steps.split(","))) for name, steps in ROW.findall(PAGE.read_text())}
    assert rows == DIFFERENT
    assert rows.keys() <= set(RECORDINGS)
