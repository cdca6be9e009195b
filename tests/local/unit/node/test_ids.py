"""Ids of containers against those that a user namespace maps."""

import pytest

from crossfade_local.kubelet.ids import parse
from crossfade_local.kubelet.privileges import Identity

ROOT = parse("         0          0 4294967295\n", "         0          0 4294967295\n")
SUBORDINATE = parse("0 1000 1\n1 100000 65535\n", "0 1000 1\n1 100000 65535\n")
FEW = parse("0 1000 1\n1 100000 99\n", "0 1000 1\n1 100000 49\n")
SINGLE = parse("0 1000 1\n", "0 1000 1\n")


def test_a_single_id_is_known() -> None:
    assert [found.is_single for found in (ROOT, SUBORDINATE, SINGLE)] == [False, False, True]


def test_nobody_is_among_the_ids() -> None:
    assert [found.nobody for found in (ROOT, SUBORDINATE, FEW, SINGLE)] == [65_535, 65_535, 49, 0]


@pytest.mark.parametrize("uid", [0, 1337, 65_535])
def test_ids_that_are_mapped(uid: int) -> None:
    assert SUBORDINATE.problem(Identity(uid, uid, (uid,))) == ""


@pytest.mark.parametrize(
    ("identity", "problem"),
    [
        (
            Identity(1_000_660_000, 0, (0,)),
            "user 1000660000 is not among the ids of this rootless cluster",
        ),
        (Identity(1337, 70_000, (70_000,)), "group 70000 is not among"),
        (Identity(1337, 1, (1, 2**31 - 1)), "group 2147483647 is not among"),
    ],
)
def test_ids_that_are_not(identity: Identity, problem: str) -> None:
    assert SUBORDINATE.problem(identity).startswith(problem)
    assert ROOT.problem(identity) == ""
    assert "start the cluster as root" in SUBORDINATE.problem_with_group(70_000)
    assert FEW.problem_with_group(49) == ""
