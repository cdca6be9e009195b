"""All of AWS's examples for App Mesh compile, and the page about them says of each what the tests do."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.compat.app_mesh_examples import found_sets, problems
from tests.e2e import test_aws_walkthroughs
from tests.support.aws_walkthroughs import ROOT

PAGE: Final = Path(__file__).parents[2] / "docs" / "aws-walkthroughs.md"
ROW: Final = re.compile(r"^\| \[([\w-]+)\]\(\S+\) \| .+ \| (\S+) \|$", re.MULTILINE)
SETS: Final = found_sets(ROOT)
# YAML that nothing can read: AWS's own mistake.
UNREADABLE: Final = "eks-app-mesh-cross-account-acm/mesh"


@pytest.mark.parametrize("name", sorted(SETS.keys() - {UNREADABLE}))
def test_nothing_is_refused(name: str) -> None:
    assert list(problems(SETS[name])) == []


def test_one_file_of_theirs_is_no_yaml() -> None:
    (problem,) = problems(SETS[UNREADABLE])
    assert problem.startswith("mapping values are not allowed here")


def test_the_page_names_every_walkthrough_and_says_which_of_them_run() -> None:
    rows = dict(ROW.findall(PAGE.read_text()))
    assert rows.keys() == {path.name for path in ROOT.iterdir() if path.is_dir()}
    run = {name for name, shown in rows.items() if shown == "runs"}
    assert run == test_aws_walkthroughs.SETS.keys()
    tests = {name.removeprefix("test_") for name in vars(test_aws_walkthroughs) if name.startswith("test_")}
    assert tests >= {name.removeprefix("howto-k8s-").replace("-", "_") for name in run}


def test_the_page_counts_them() -> None:
    numbers = re.search(r"hold (\d+) walkthroughs for Kubernetes, (\d+) of which run", PAGE.read_text())
    assert numbers is not None
    walkthroughs = [path for path in ROOT.iterdir() if path.is_dir()]
    assert tuple(map(int, numbers.groups())) == (len(walkthroughs), len(test_aws_walkthroughs.SETS))
