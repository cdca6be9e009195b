"""Covers, in a mount namespace made for one pod, what no hostPath volume may reach.

A hostPath volume is looked up in a namespace where an empty, unreadable place lies over the cluster's data directory
(under all names that it has), over `/run`, `/proc` and the machine's sockets. Whatever leads there, a parent directory
or a symbolic link, arrives at the empty place.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from crossfade_local import mount_trees, namespaces
from crossfade_local.kubelet import reachable
from crossfade_local.mount_trees import NODEV, NOSUID, RDONLY
from crossfade_local.namespaces import MS_NODEV, MS_NOSUID

# Where programs of the machine make their sockets, those too that are made after a volume was mounted.
_CLOSED: Final = ("/run", "/var/run", "/proc")


class Protection:
    """What is covered; made once in the node's mount namespace."""

    def __init__(self, directory: Path, *, hidden: Path, sockets: int | None) -> None:
        """`directory` is an empty one to work in, `hidden` the data directory, `sockets` an open /proc/net/unix of the
        machine's network."""
        self._nothing = directory / "directory"
        self._no_file = directory / "file"
        self._sockets = sockets
        self._reading = threading.Lock()
        # By descriptor it is found again when a directory above it gets another name.
        self._hidden = os.open(hidden, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        namespaces.mount("tmpfs", str(directory), kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=755")
        self._nothing.mkdir()
        self._no_file.touch()
        for path in (self._nothing, self._no_file):
            path.chmod(0)
        mount_trees.restrict_at(str(directory), RDONLY)
        self._device = directory.stat().st_dev

    def names_of_hidden(self) -> list[Path]:
        hidden = PurePosixPath(Path(f"/proc/self/fd/{self._hidden}").readlink())
        mounts = reachable.parse_mounts(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace"))
        return [Path(path) for path in reachable.names_of(hidden, mounts)]

    def sockets(self) -> list[Path]:
        """Of the machine, at this moment."""
        if self._sockets is None:
            return []
        # Copies of a descriptor have one position in the table: two containers may begin at once.
        with self._reading, os.fdopen(os.dup(self._sockets), "rb") as table:
            table.seek(0)
            text = table.read().decode(errors="surrogateescape")
        return [Path(path) for path in reachable.parse_sockets(text)]

    def plan(self) -> list[Path]:
        """What `cover` is to cover. Asked where /proc is still the node's own."""
        everything = (*self.names_of_hidden(), *map(Path, _CLOSED), *self.sockets())
        real = (PurePosixPath(os.path.realpath(path)) for path in everything)
        return [Path(path) for path in reachable.outermost(real)]

    def closes(self, path: Path) -> bool:
        """Whether the path leads to what is covered; for people, the cover itself does not depend on it."""
        real = Path(os.path.realpath(path))
        return any(covered in (real, *real.parents) for covered in self.plan())

    def cover(self, paths: Sequence[Path], *, below: Path = Path("/")) -> None:
        """In the calling thread's mount namespace."""
        # Opened first, since the place itself lies in the data directory. Each clone is made of the place: before Linux
        # 6.15 none can be made of a clone.
        nothing, no_file = (os.open(path, os.O_PATH | os.O_CLOEXEC) for path in (self._nothing, self._no_file))
        try:
            for path in paths:
                target = below / path.relative_to("/")
                try:
                    mask = nothing if target.is_dir() else no_file
                except PermissionError:
                    # In a folder that is closed to who runs the cluster, and so to all pods.
                    continue
                # A socket's file may have gone since it was listed.
                with suppress(FileNotFoundError):
                    mount_trees.attach(mount_trees.clone("", at=mask), str(target))
        finally:
            os.close(nothing)
            os.close(no_file)

    def is_covered(self, place: int) -> bool:
        """Whether an opened place is one of the empty ones."""
        return os.fstat(place).st_dev == self._device

    async def looking(self, function: Callable[[], Path]) -> Path:
        """Runs the function where all is covered, so that it neither finds nor makes anything there."""
        paths = self.plan()

        def look() -> Path:
            namespaces.unshare_mounts()
            self.cover(paths)
            return function()

        return await namespaces.on_fresh_thread(look, name="host path")

    def harden(self) -> None:
        """What a volume of the machine shows besides files: the kernel's settings cannot be changed through it."""
        with suppress(OSError):
            mount_trees.restrict_at("/sys", RDONLY)


def restrict_volume(tree: int, *, read_only: bool) -> None:
    """A volume gives nobody another user's rights, and no device of the machine."""
    mount_trees.restrict(tree, NOSUID | NODEV | (RDONLY if read_only else 0))
