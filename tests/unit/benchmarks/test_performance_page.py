"""The page and the picture of performance follow from the figures that are kept."""

import re
import xml.etree.ElementTree as ET
from typing import Any, Final

import pytest
from benchmarks.chart import WIDTH, drawn
from benchmarks.compare import names
from benchmarks.compare.scenarios import ALL, GATEWAYS
from benchmarks.figures import KEPT, PAGE, PICTURE, as_text, kept
from benchmarks.page import PARTS, written

SVG: Final = "{http://www.w3.org/2000/svg}"
_ONLY_PLAIN: Final = ("bare",)


def requests(**changes: dict[str, list[float]]) -> dict[str, Any]:
    """Figures as they are kept: everybody costs the same, but for the changes."""
    us = {
        name: {who: [10.0, 20.0] for who in names.of(name) if scenario.route == "plain" or who not in _ONLY_PLAIN}
        for name, scenario in GATEWAYS.items()
    } | {name: {who: [10.0, 20.0] for who in names.of(name)} for name in ALL.keys() - GATEWAYS.keys()}
    return {
        "date": "2026-01-02",
        "versions": {"crossfade": "1.0.0", "envoy": "1.40.0", "nginx": "1.22.1"},
        "processor": "Some <Processor> & more",
        "processors": 2,
        "kernel": "6.1.0",
        "connections": 32,
        "us": {name: found | changes.get(name, {}) for name, found in us.items()},
    }


def test_the_picture_is_that_of_the_figures_kept() -> None:
    assert PICTURE.read_text() == drawn(kept()["requests"])


def test_the_page_is_that_of_the_figures_kept() -> None:
    assert PAGE.read_text() == written(PAGE.read_text(), kept())


def test_the_page_has_all_parts() -> None:
    assert set(re.findall(r"^<!-- figures: ([\w-]+) -->$", PAGE.read_text(), re.MULTILINE)) == set(PARTS)


def test_figures_are_kept_in_one_way_of_writing() -> None:
    assert KEPT.read_text() == as_text(kept())


def test_figures_are_kept_without_digits_that_say_nothing() -> None:
    assert as_text({"b": [1.23456], "a": {"c": 2}}) == '{\n "a": {\n  "c": 2\n },\n "b": [\n  1.235\n ]\n}\n'


def test_bars_are_as_long_as_what_they_show() -> None:
    picture = ET.fromstring(drawn(requests(plain={"crossfade": [20.0, 40.0]})))
    bars = [float(bar.get("width", "")) for bar in picture.iter(f"{SVG}rect")]
    assert bars[0] == pytest.approx(2 * bars[1])
    assert len(bars) == sum(map(len, requests()["us"].values()))


def test_nothing_reaches_out_of_the_picture() -> None:
    picture = ET.fromstring(drawn(requests(plain={"traefik": [500.0, 900.0]})))
    height = float(picture.get("height", ""))
    for bar in picture.iter(f"{SVG}rect"):
        assert float(bar.get("x", "")) + float(bar.get("width", "")) < WIDTH
        assert float(bar.get("y", "")) + float(bar.get("height", "")) < height


def test_who_cannot_do_it_has_no_figure() -> None:
    page = "<!-- figures: ratios -->\nold\n<!-- end -->\n"
    rows = dict(re.findall(r"^\| ([^|]+) \| (.*) \|$", written(page, {"requests": requests()}), re.MULTILINE))
    assert rows["Plain proxying"] == "1.00 | 1.00 | 1.00 | 1.00 | 1.00 | 1.00"
    assert rows["An API key"] == "1.00 | 1.00 | – | 1.00 | 1.00 | 1.00"


def test_who_was_not_measured_has_no_column() -> None:
    found = requests()
    for name in GATEWAYS:
        del found["us"][name]["floor"]
    page = "<!-- figures: ratios -->\nold\n<!-- end -->\n"
    rows = dict(re.findall(r"^\| ([^|]+) \| (.*) \|$", written(page, {"requests": found}), re.MULTILINE))
    assert rows["Plain proxying"] == "1.00 | 1.00 | 1.00 | 1.00 | 1.00"


def test_text_around_the_tables_stays() -> None:
    page = "# Title\n\n<!-- figures: measured -->\nold\n<!-- end -->\n\nText.\n"
    new = written(page, {"requests": requests()})
    assert new.startswith(
        "# Title\n\n<!-- figures: measured -->\n\nMeasured on 2026-01-02: Crossfade 1.0.0, Envoy 1.40"
    )
    assert new.endswith("<!-- end -->\n\nText.\n")
    assert written(new, {"requests": requests()}) == new
