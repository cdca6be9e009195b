"""The picture of what requests cost: a panel for each scenario, a bar for each contestant. Same figures, same bytes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import escape

from benchmarks.compare import names
from benchmarks.compare.ratios import Ratio, ratios
from benchmarks.compare.scenarios import ALL

WIDTH: Final = 920
_COLUMNS: Final = 2
_PANEL: Final = WIDTH // _COLUMNS
_LABELS, _VALUES = 150, 44
_BARS: Final = _PANEL - _LABELS - _VALUES - 20
_ROW, _HEADING, _GAP = 18, 26, 16
_TITLE: Final = 62
_STYLE: Final = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.heading { font-weight: 600; }
.note { fill: #59636e; }
.value { font-variant-numeric: tabular-nums; }
.ours { fill: #1f6feb; } .other { fill: #8c959f; }
.base { stroke: #59636e; stroke-dasharray: 3 3; } .spread { stroke: #1f2328; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .note { fill: #9198a1; }
  .ours { fill: #4493f8; } .other { fill: #656c76; }
  .base { stroke: #9198a1; } .spread { stroke: #e6edf3; }
}
"""


class Panel(NamedTuple):
    """`bars` by what contestants are called; the ones of `ours` stand out."""

    title: str
    bars: Mapping[str, Ratio]
    ours: frozenset[str]
    base: str

    @property
    def height(self) -> int:
        return _HEADING + _ROW * len(self.bars) + _GAP


def drawn(requests: Mapping[str, Any]) -> str:
    """SVG, for light and dark surroundings."""
    panels = list(_panels(requests["us"]))
    rows = [panels[first : first + _COLUMNS] for first in range(0, len(panels), _COLUMNS)]
    heights = [max(panel.height for panel in row) for row in rows]
    scale = _BARS / max((bar.high for panel in panels for bar in panel.bars.values()), default=1.0)
    height = _TITLE + sum(heights)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        "<title>CPU of proxies for each request</title>",
        f"<style>\n{_STYLE}</style>",
        _text(12, 24, "CPU of the proxies for one request: shorter is better", "title"),
        _text(12, 46, "Ratio to the dashed line (1.0); medians of interleaved rounds, and their middle half", "note"),
    ]
    top = _TITLE
    for row, tall in zip(rows, heights, strict=True):
        for place, panel in enumerate(row):
            parts += _panel(panel, 12 + place * _PANEL, top, scale)
        top += tall
    return "\n".join([*parts, "</svg>\n"])


def _panels(us: Mapping[str, Mapping[str, Sequence[float]]]) -> Iterator[Panel]:
    for name, scenario in ALL.items():
        found, called = ratios(us.get(name, {}), scenario.base), names.of(name)
        if found:
            bars = {label: found[who] for who, label in called.items() if who in found}
            ours = frozenset(label for who, label in called.items() if names.is_ours(who))
            yield Panel(scenario.title, bars, ours, called[scenario.base])


def _panel(panel: Panel, left: int, top: int, scale: float) -> Iterator[str]:
    yield _text(left, top + 14, panel.title, "heading")
    start = left + _LABELS
    for number, (label, ratio) in enumerate(panel.bars.items()):
        y = top + _HEADING + number * _ROW
        kind = "ours" if label in panel.ours else "other"
        yield _text(start - 8, y + 12, label, "label", anchor="end")
        yield f'<rect class="{kind}" x="{start}" y="{y + 2}" width="{ratio.median * scale:.1f}" height="{_ROW - 5}"/>'
        low, high, middle = start + ratio.low * scale, start + ratio.high * scale, y + _ROW / 2
        yield f'<path class="spread" d="M{low:.1f} {middle - 0.5:.1f}H{high:.1f}"/>'
        yield _text(
            math.ceil(start + max(ratio.median, ratio.high) * scale) + 6, y + 12, f"{ratio.median:.2f}", "value"
        )
    line, bottom = start + scale, top + _HEADING + len(panel.bars) * _ROW
    yield f'<path class="base" d="M{line:.1f} {top + _HEADING - 2}V{bottom}"/>'


def _text(x: int, y: int, text: str, kind: str, *, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
