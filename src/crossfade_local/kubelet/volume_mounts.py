"""Puts volumes and programs into a container's root, from within it.

Sources are cloned while they can be named (`gather`) and attached when the container's root is the thread's own
(`place`). So a link in a volume, wherever it leads, leads to a place of the container.
"""

import os
import shlex
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from crossfade_local import mount_trees, namespaces
from crossfade_local.kubelet.protection import Protection, restrict_volume
from crossfade_local.mount_trees import NODEV, NOSUID, RDONLY
from crossfade_local.namespaces import MS_NODEV, MS_NOSUID

# Where programs are that an image knows by name only; comes first on the PATH.
PROGRAMS: Final = "/.programs"
_PROGRAM_MODE: Final = 0o755


class Mount(NamedTuple):
    """A volume in a container: `inner` of `source` on the machine, at `target` in the container."""

    source: Path
    target: str
    read_only: bool = False
    inner: str = ""
    """A path that may not lead out of the source; what is missing of it is made."""
    of_machine: bool = False
    """A hostPath volume: looked up where the cluster's own files and the machine's sockets are covered."""


class Gathered(NamedTuple):
    """A cloned tree on its way; `place` closes it."""

    mount: Mount
    tree: int
    is_directory: bool


class RefusedMountError(OSError):
    """The volume leads where no volume may; the text names both."""


def gather(mounts: Iterable[Mount], protection: Protection) -> list[Gathered]:
    """In a mount namespace of the calling thread's own, which it changes. Raises OSError."""
    ordered = sorted(mounts, key=lambda mount: mount.target.count("/"))
    found = {mount: _clone(mount, protection) for mount in ordered if not mount.of_machine}
    if len(found) < len(ordered):
        paths = protection.plan()
        protection.harden()
        protection.cover(paths)
        found |= {mount: _clone(mount, protection) for mount in ordered if mount.of_machine}
    return [found[mount] for mount in ordered]


def clone_programs(exposed: Iterable[Path], mounts: Sequence[Mount]) -> list[tuple[Path, int]]:
    """Trees of those paths that a volume will take the place of: programs come from the machine there too."""
    covered = {Path(os.path.normpath(mount.target)) for mount in mounts}
    found = []
    for path in exposed:
        if not covered.isdisjoint(path.parents):
            tree = mount_trees.clone(str(path))
            mount_trees.restrict(tree, RDONLY | NOSUID | NODEV)
            found.append((path, tree))
    return found


def place(gathered: Iterable[Gathered], programs: Iterable[tuple[Path, int]]) -> None:
    """The thread's root is the container's."""
    for one in gathered:
        target = Path(os.path.realpath(os.path.normpath(one.mount.target)))
        if one.is_directory:
            make_directory(target)
        else:
            _make_file(target)
        mount_trees.attach(one.tree, str(target))
    for path, tree in programs:
        # In a volume that cannot be written to there is no place for it.
        with suppress(OSError):
            path.mkdir(parents=True, exist_ok=True)
            mount_trees.attach(os.dup(tree), str(path))
        os.close(tree)


def place_program(name: str, argv: Sequence[str]) -> None:
    """What a volume has put in its place stays."""
    target = Path(name if name.startswith("/") else f"{PROGRAMS}/{name}")
    make_directory(target.parent)
    if not os.access(target.parent, os.W_OK):
        _unfold(target.parent)
    if not target.exists():
        target.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n', encoding="utf-8")
        target.chmod(_PROGRAM_MODE)


def place_programs(programs: Mapping[str, Sequence[str]]) -> None:
    for name, argv in programs.items():
        place_program(name, argv)


def make_directory(target: Path) -> None:
    """Makes a mount point; directories of the machine in its way become writable copies of their list of entries."""
    current = Path("/")
    for part in Path(os.path.realpath(target)).parts[1:]:
        parent, current = current, current / part
        if current.is_dir():
            continue
        if not os.access(parent, os.W_OK):
            _unfold(parent)
        current.mkdir()


def _make_file(target: Path) -> None:
    make_directory(target.parent)
    if not target.exists():
        if not os.access(target.parent, os.W_OK):
            _unfold(target.parent)
        target.touch()


def _clone(mount: Mount, protection: Protection) -> Gathered:
    source = os.open(mount.source, os.O_PATH | os.O_CLOEXEC)
    try:
        if mount.of_machine and protection.is_covered(source):
            raise RefusedMountError(f"hostPath {mount.source} is closed to pods: the cluster's own files or sockets")
        place = _open_inner(source, mount)
        try:
            mode = os.fstat(place).st_mode
            if mount.of_machine and stat.S_ISSOCK(mode):
                raise RefusedMountError(f"hostPath {mount.source} is a socket of the machine, which no pod may use")
            tree = mount_trees.clone("", at=place)
        finally:
            os.close(place)
    finally:
        os.close(source)
    restrict_volume(tree, read_only=mount.read_only)
    return Gathered(mount, tree, stat.S_ISDIR(mode))


def _open_inner(source: int, mount: Mount) -> int:
    try:
        return mount_trees.open_or_make_beneath(source, mount.inner) if mount.inner else os.dup(source)
    except OSError as error:
        if mount_trees.leads_out(error):
            raise RefusedMountError(f'subPath "{mount.inner}" leads out of its volume') from error
        raise


def _unfold(directory: Path) -> None:
    """Puts a writable directory in the place of a read-only one, with each of its entries mounted or linked again."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.scandir(handle) as scanned:
            entries = list(scanned)
        namespaces.mount("tmpfs", str(directory), kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=755")
        for entry in entries:
            target = directory / entry.name
            if entry.is_symlink():
                target.symlink_to(os.readlink(entry.name, dir_fd=handle))
                continue
            target.mkdir() if entry.is_dir() else target.touch()
            mount_trees.attach(mount_trees.clone(entry.name, at=handle), str(target))
    finally:
        os.close(handle)
