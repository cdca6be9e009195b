"""Where control groups lie in both versions, and what is written to them; a real one where this machine lets it."""

from fractions import Fraction
from pathlib import Path

import pytest

from crossfade_local.cgroups import Group, Limits, oom_kills, parents, settings

HALF = Limits(Fraction(1, 2), 64 << 20)
VERSION_1 = """\
30 20 0:26 / {root}/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
31 20 0:27 /outer {root}/memory rw shared:9 - cgroup cgroup rw,memory
32 20 0:28 / {root}/unified rw shared:9 - cgroup2 cgroup2 rw
33 20 0:27 /outer /copy/memory ro - cgroup cgroup rw,memory
"""
OWN_1 = "4:memory:/outer/inner\n1:cpu,cpuacct:/\n0::/\n"
VERSION_2 = "32 20 0:28 / {root} rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
OWN_2 = "0::/user.slice/session-1.scope\n"


def offer(directory: Path, controllers: str = "cpuset cpu io memory pids") -> None:
    directory.mkdir(parents=True)
    (directory / "cgroup.controllers").write_text(f"{controllers}\n")


def test_in_version_1_groups_lie_below_its_own_of_each_controller(tmp_path: Path) -> None:
    offer(tmp_path / "unified", "hugetlb")
    found = list(parents(VERSION_1.format(root=tmp_path), OWN_1))
    assert found == [Group(tmp_path / "cpu,cpuacct", tmp_path / "memory/inner", version=1)]


def test_in_version_2_they_lie_as_near_as_controllers_are_offered(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    offer(root)
    offer(root / "user.slice")
    offer(root / "user.slice/session-1.scope", "pids")
    found = [group.memory for group in parents(VERSION_2.format(root=root), OWN_2)]
    assert found == [root / "user.slice", root]


def test_there_may_be_none() -> None:
    assert not list(parents("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "0::/\n"))


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (1, {"cpu.cfs_quota_us": "50000", "memory.limit_in_bytes": "67108864"}),
        (2, {"cpu.max": "50000 100000", "memory.max": "67108864", "memory.swap.max": "0", "memory.oom.group": "1"}),
    ],
)
def test_limits_are_written_as_the_kernel_reads_them(version: int, expected: dict[str, str]) -> None:
    assert expected.items() <= {one.file: one.value for one in settings(HALF, version=version)}.items()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (1, {"cpu.cfs_quota_us": "-1", "memory.limit_in_bytes": "-1"}),
        (2, {"cpu.max": "max 100000", "memory.max": "max", "memory.oom.group": "0"}),
    ],
)
def test_no_limit_takes_a_former_one_away(version: int, expected: dict[str, str]) -> None:
    assert expected.items() <= {one.file: one.value for one in settings(Limits(), version=version)}.items()


def test_a_limit_below_what_the_kernel_takes_is_the_least_it_takes() -> None:
    assert "1000 100000" in [one.value for one in settings(Limits(Fraction(1, 1000)), version=2)]


@pytest.mark.parametrize("text", ["low 0\nmax 9\noom 3\noom_kill 2\n", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"])
def test_killed_processes_are_counted(text: str) -> None:
    assert oom_kills(text) == 2


def test_a_group_of_version_1_weighs_as_much_as_processes_beside_it(tmp_path: Path) -> None:
    group = Group(tmp_path / "cpu", tmp_path / "memory", version=1)
    for directory in group[:2]:
        directory.mkdir()
    group.weigh(2)
    assert (group.cpu / "cpu.shares").read_text() == "2048"


def test_a_group_of_version_2_is_made_limited_and_taken_away(tmp_path: Path) -> None:
    parent = Group(tmp_path, tmp_path)
    group = parent.child("pod")
    group.make()
    group.limit(HALF)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert (group.memory / "memory.max").read_text() == "67108864"
    assert not (group.memory / "memory.swap.max").exists()
    assert group.member_files == (group.memory / "cgroup.procs",)
    for file in group.memory.iterdir():
        # The kernel's own go with their directory.
        file.unlink()
    group.remove()
    assert not group.memory.exists()
