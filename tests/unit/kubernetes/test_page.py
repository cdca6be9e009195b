"""What the page on a real Kubernetes tells people to type is understood."""

import re

import pytest

from tests.kubernetes.__main__ import arguments_parser
from tests.kubernetes.authority import DISTURBANCES
from tests.kubernetes.autoscaled import AUTOSCALED
from tests.kubernetes.certified import CERTIFIED
from tests.kubernetes.events import EVENTS
from tests.support.documentation import ROOT

PAGE = "docs/how-to/test-on-a-real-kubernetes.md"
TYPED = re.findall(r'^make test-kubernetes ARGS="(.*)"$', (ROOT / PAGE).read_text(), re.MULTILINE)


def test_the_page_shows_arguments() -> None:
    assert len(TYPED) >= 4


@pytest.mark.parametrize("typed", TYPED)
def test_the_arguments_of_the_page_are_understood(typed: str) -> None:
    parsed = arguments_parser().parse_args(typed.split())
    assert parsed != arguments_parser().parse_args([])


def test_every_event_is_on_the_page() -> None:
    page = (ROOT / PAGE).read_text()
    names = [*(event.name for event in (*EVENTS, AUTOSCALED)), *DISTURBANCES, *CERTIFIED]
    assert [name for name in names if f"| {name}" not in page and f", {name}" not in page] == []


def test_targets_of_the_page_are_in_the_makefile() -> None:
    targets = {line.split()[1] for line in (ROOT / PAGE).read_text().splitlines() if line.startswith("make ")}
    makefile = (ROOT / "Makefile").read_text()
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()
