"""Control groups of the kernel, in both of its versions: where a cluster's own lie, and what keeps programs in bounds.

A cluster's group lies as close to the group of its own processes as the kernel lets it, so that bounds of the machine
around it go on to hold.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Final, NamedTuple

_PERIOD_US: Final = 100_000
_LEAST_QUOTA_US: Final = 1_000
_WEIGHT_OF_PROCESS: Final = 1024
_CONTROLLERS: Final = ("cpu", "memory")
_ENABLE: Final = " ".join(f"+{name}" for name in _CONTROLLERS)
_UNIFIED: Final = 2


class Limits(NamedTuple):
    """None where there is no limit."""

    cpu: Fraction | None = None
    """In processors."""
    memory: int | None = None
    """In bytes."""


class CgroupsUnavailableError(Exception):
    """This process may make no groups; the text says why."""


class Setting(NamedTuple):
    controller: str
    file: str
    value: str
    optional: bool = False
    """Left out where the kernel has no such file."""


class Group(NamedTuple):
    """One group. In version 1 each controller has a directory for it, in version 2 they are one."""

    cpu: Path
    memory: Path
    version: int = _UNIFIED

    def child(self, name: str) -> "Group":
        return Group(self.cpu / name, self.memory / name, self.version)

    def make(self) -> None:
        """Nothing if it is there. Raises OSError."""
        if self.version == _UNIFIED:
            (self.memory.parent / "cgroup.subtree_control").write_text(_ENABLE, encoding="ascii")
        for directory in self._directories:
            directory.mkdir(exist_ok=True)

    def limit(self, limits: Limits) -> None:
        """For the processes in it together, from now on. Raises OSError."""
        directories = {"cpu": self.cpu, "memory": self.memory}
        for setting in settings(limits, version=self.version):
            file = directories[setting.controller] / setting.file
            if not setting.optional or file.exists():
                file.write_text(setting.value, encoding="ascii")

    def weigh(self, processes: int) -> None:
        """As much as so many processes beside it, when processor time is short. In version 2 there are only groups
        beside it. Raises OSError."""
        if self.version != _UNIFIED:
            (self.cpu / "cpu.shares").write_text(str(_WEIGHT_OF_PROCESS * processes), encoding="ascii")

    @property
    def member_files(self) -> tuple[Path, ...]:
        """A process that writes 0 to each of them belongs to the group, with all that it starts."""
        return tuple(directory / "cgroup.procs" for directory in self._directories)

    def adopt(self, pids: Iterable[int]) -> None:
        """Those of them that still live, with all that they start from now on. Raises OSError."""
        for file in self.member_files:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    file.write_text(str(pid), encoding="ascii")

    def memory_used(self) -> int:
        """In bytes, the kernel's cache for files included. Raises OSError."""
        file = "memory.current" if self.version == _UNIFIED else "memory.usage_in_bytes"
        return int((self.memory / file).read_text(encoding="ascii"))

    def oom_kills(self) -> int:
        """How many of its processes the kernel has killed for want of memory."""
        file = self.memory / ("memory.events" if self.version == _UNIFIED else "memory.oom_control")
        with contextlib.suppress(OSError):
            return oom_kills(file.read_text(encoding="ascii"))
        return 0

    def remove(self) -> None:
        """With the groups below it. Those with processes in them stay."""
        for directory in self._directories:
            for below, _, _ in os.walk(directory, topdown=False):
                with contextlib.suppress(OSError):
                    Path(below).rmdir()

    @property
    def _directories(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys((self.cpu, self.memory)))


def settings(limits: Limits, *, version: int) -> Iterator[Setting]:
    """In the order in which the kernel takes them, whatever was there before."""
    quota = None if limits.cpu is None else max(ceil(limits.cpu * _PERIOD_US), _LEAST_QUOTA_US)
    if version == _UNIFIED:
        yield Setting("cpu", "cpu.max", f"{'max' if quota is None else quota} {_PERIOD_US}")
        yield Setting("memory", "memory.max", "max" if limits.memory is None else str(limits.memory))
        yield Setting("memory", "memory.swap.max", "max" if limits.memory is None else "0", optional=True)
        # A container without one of its processes is in no state that anybody has thought of.
        yield Setting("memory", "memory.oom.group", "0" if limits.memory is None else "1", optional=True)
        return
    memory = "-1" if limits.memory is None else str(limits.memory)
    yield Setting("cpu", "cpu.cfs_period_us", str(_PERIOD_US))
    yield Setting("cpu", "cpu.cfs_quota_us", "-1" if quota is None else str(quota))
    # With swap it may never be less than without.
    yield Setting("memory", "memory.memsw.limit_in_bytes", "-1", optional=True)
    yield Setting("memory", "memory.limit_in_bytes", memory)
    yield Setting("memory", "memory.memsw.limit_in_bytes", memory, optional=True)


def oom_kills(text: str) -> int:
    """From memory.events or memory.oom_control."""
    counts = dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line)
    return int(counts.get("oom_kill", 0))


def make_group(data_dir: Path) -> Group:
    """The group of the cluster with this data directory, empty. Raises CgroupsUnavailableError."""
    problem: object = "the kernel's controllers cpu and memory are in no mounted hierarchy"
    remove_group(data_dir)
    for group in candidates(data_dir):
        try:
            group.make()
            group.limit(Limits())
            group.weigh(len(os.sched_getaffinity(0)))
        except OSError as error:
            problem = error
        else:
            return group
    raise CgroupsUnavailableError(f"no control groups can be made ({problem})")


def remove_group(data_dir: Path) -> None:
    """What a former life of the cluster has left."""
    for group in candidates(data_dir):
        group.remove()


def candidates(data_dir: Path) -> Iterator[Group]:
    """Where the group of the cluster with this data directory may lie, the nearest place first."""
    name = f"crossfade-{hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]}"
    with contextlib.suppress(OSError):
        mounts, own = (Path("/proc/self", file).read_text("utf-8", "replace") for file in ("mountinfo", "cgroup"))
        for parent in parents(mounts, own):
            yield parent.child(name)


def parents(mounts: str, own: str) -> Iterator[Group]:
    """Groups in which one may be made, the nearest first; `mounts` and `own` are mountinfo and cgroup of /proc/self."""
    # What is mounted later may be a copy for containers, which nobody can write to.
    found = dict(reversed([*_directories(mounts, dict(_own_groups(own)))]))
    if (unified := found.get("")) is not None:
        mount, directory = unified
        # In version 2 a group with processes, as its own nearly always is, has no groups below it.
        for ancestor in (directory, *directory.parents):
            if ancestor.is_relative_to(mount) and _offers(ancestor):
                yield Group(ancestor, ancestor)
    if "cpu" in found and "memory" in found:
        yield Group(found["cpu"][1], found["memory"][1], version=1)


def _offers(directory: Path) -> bool:
    with contextlib.suppress(OSError):
        offered = (directory / "cgroup.controllers").read_text(encoding="ascii").split()
        return set(_CONTROLLERS) <= set(offered)
    return False


def _own_groups(own: str) -> Iterator[tuple[str, str]]:
    """The path in the hierarchy of each controller; that of version 2 has no name."""
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _directories(mounts: str, own: dict[str, str]) -> Iterator[tuple[str, tuple[Path, Path]]]:
    """Where the hierarchy of each controller is mounted, and this process' own directory in it."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind, _, options = after.split()[:3]
        names = options.split(",") if kind == "cgroup" else [""] if kind == "cgroup2" else []
        for name in names:
            if name in own:
                path = Path(own[name])
                inner = path.relative_to(root) if path.is_relative_to(root) else Path()
                yield name, (Path(mount), Path(mount) / inner)
