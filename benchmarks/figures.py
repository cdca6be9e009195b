"""The figures that are published: kept as JSON, and shown from there, so that all pages agree."""

import json
from pathlib import Path
from typing import Any, Final

from benchmarks.chart import drawn
from benchmarks.page import written

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
KEPT: Final = DOCS / "performance.json"
PICTURE: Final = DOCS / "performance.svg"
PAGE: Final = DOCS / "performance.md"


def kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def keep(section: str, content: dict[str, Any]) -> None:
    """In place of what the section said before."""
    found = kept() | {section: content}
    KEPT.write_text(as_text(found))
    # As it will be read again: rounded.
    found = kept()
    PICTURE.write_text(drawn(found["requests"]))
    PAGE.write_text(written(PAGE.read_text(), found))


def as_text(found: dict[str, Any]) -> str:
    return json.dumps(_rounded(found), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 3)
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case list():
            return [_rounded(one) for one in value]
    return value
