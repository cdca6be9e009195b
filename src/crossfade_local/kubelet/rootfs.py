"""What a container sees as its file system: the machine's files, read-only and at their own paths, with private `/tmp`,
`/run`, `/var`, a minimal `/dev` and an `/etc` of its own.

There is no image store: programs come from the machine. Homes that others may not enter stay closed, but for the paths
that workloads need (interpreter, packages, what the catalogue names): those appear at their own place, so that any uid
can start them.
"""

import os
import shlex
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from crossfade_local import namespaces
from crossfade_local.namespaces import CLONE_NEWNS, MS_NODEV, MS_NOSUID, MS_PRIVATE, MS_REC

_OWN: Final = frozenset({"proc", "sys", "dev", "etc", "tmp", "run", "var", "lost+found"})
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS: Final = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
# Files of /proc through which a container's root could reach the machine itself.
_MASKED: Final = ("proc/kcore", "proc/keys", "proc/sysrq-trigger", "proc/timer_list")
_PRIVATE: Final = ("tmp", "run", "var/tmp", "var/log", "var/lib", "var/cache", "var/spool")
_STICKY: Final = ("tmp", "var/tmp")
TERMINATION_LOG: Final = "/dev/termination-log"
# Where programs are that an image knows by name only; comes first on the PATH.
PROGRAMS: Final = "/.programs"
_PROGRAM_MODE: Final = 0o755
_NAME_FILES: Final = ("hostname", "hosts", "resolv.conf")


class Mount(NamedTuple):
    """A volume in a container: `source` on the machine, `target` in the container."""

    source: Path
    target: str
    read_only: bool = False


class MachineView:
    """The part of a container's root that is the same for all: prepared once in the node's mount namespace."""

    def __init__(self, directory: Path, *, exposed: Sequence[Path], hidden: Path) -> None:
        """`exposed` paths are visible to every uid; `hidden` (the cluster's own data) to none."""
        self._base = directory / "machine"
        self._exposed = tuple(exposed)
        self._hidden = hidden
        self.new_root = directory / "root"
        namespaces.mount("tmpfs", str(directory), kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=755")
        self._base.mkdir()
        self.new_root.mkdir()
        self._show_machine()
        self._make_devices()
        self._show_kernel()

    def enter_new_root(
        self,
        *,
        mounts: Iterable[Mount],
        files: dict[str, str],
        programs: Mapping[str, Sequence[str]],
        read_only: bool = False,
    ) -> int:
        """Must run on a fresh thread: gives it a mount namespace with this root and the volumes; returns a descriptor.

        `files` are the contents of /etc/hostname, hosts and resolv.conf by name, `programs` those of the image. With
        `read_only`, only volumes can be written to.
        """
        namespaces.unshare(CLONE_NEWNS)
        namespaces.mount("none", "/", flags=MS_REC | MS_PRIVATE)
        root = self.new_root
        namespaces.mount("tmpfs", str(root), kind="tmpfs", flags=MS_NOSUID, data="mode=755")
        self._fill(root)
        _make_etc(root, files)
        for mount in sorted(mounts, key=lambda mount: mount.target.count("/")):
            _mount_volume(root, mount)
            self._uncover(root, mount)
        for name, argv in programs.items():
            _place_program(root, name, argv)
        namespaces.pivot_root(str(root))
        if read_only:
            namespaces.remount_read_only("/")
        return namespaces.open_own("mnt")

    def _fill(self, root: Path) -> None:
        for entry in self._base.iterdir():
            target = root / entry.name
            if entry.is_symlink():
                target.symlink_to(entry.readlink())
            else:
                target.mkdir()
                namespaces.bind(str(entry), str(target))
        for name in _PRIVATE:
            (root / name).mkdir(parents=True)
        for name in _STICKY:
            (root / name).chmod(0o1777)
        (root / "var/run").symlink_to("/run")
        (root / "dev/shm").chmod(0o1777)
        namespaces.mount("tmpfs", str(root / "dev/shm"), kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=1777")
        for path in self._exposed:
            if path.parts[1] in _OWN:
                _bind_at(path, root)

    def _uncover(self, root: Path, mount: Mount) -> None:
        """Programs come from the machine, also from below a directory that a volume has taken the place of."""
        hidden = Path(os.path.normpath(mount.target))
        for path in self._exposed:
            if hidden in path.parents:
                # In a volume that cannot be written to there is no place for it.
                with suppress(OSError):
                    _bind_at(path, root)

    def _show_machine(self) -> None:
        blocked = {ancestor for path in self._exposed if (ancestor := _closed_ancestor(path))}
        for entry in sorted(Path("/").iterdir()):
            if entry.name in _OWN or entry.name.startswith("."):
                continue
            target = self._base / entry.name
            if entry.is_symlink():
                target.symlink_to(entry.readlink())
            elif entry.is_dir():
                target.mkdir()
                namespaces.bind(str(entry), str(target))
        self._cover(blocked)
        for entry in self._base.iterdir():
            if not entry.is_symlink():
                namespaces.make_read_only(str(entry))

    def _cover(self, blocked: Iterable[Path]) -> None:
        for path in sorted(blocked):
            if path.parts[1] not in _OWN:
                _empty(_within(self._base, path))
        for path in self._exposed:
            if path.parts[1] not in _OWN and _closed_ancestor(path):
                _bind_at(path, self._base)
        hidden = _within(self._base, self._hidden)
        if self._hidden.parts[1] not in _OWN and hidden.exists():
            _empty(hidden)

    def _make_devices(self) -> None:
        devices = self._base / "dev"
        devices.mkdir()
        # Devices are bound from the machine: their mounts allow them, this file system need not.
        namespaces.mount("tmpfs", str(devices), kind="tmpfs", flags=MS_NOSUID, data="mode=755")
        for name in _DEVICES:
            (devices / name).touch()
            namespaces.bind(f"/dev/{name}", str(devices / name))
        for name in ("shm", "pts"):
            (devices / name).mkdir()
        (devices / Path(TERMINATION_LOG).name).touch()
        if Path("/dev/pts").is_dir():
            namespaces.bind("/dev/pts", str(devices / "pts"))
        for name, link in _DEVICE_LINKS.items():
            (devices / name).symlink_to(link)

    def _show_kernel(self) -> None:
        for name in ("proc", "sys"):
            (self._base / name).mkdir()
            namespaces.bind(f"/{name}", str(self._base / name))
        namespaces.make_read_only(str(self._base / "sys"))
        for name in _MASKED:
            if (self._base / name).exists():
                namespaces.bind("/dev/null", str(self._base / name))
        settings = str(self._base / "proc/sys")
        namespaces.bind(settings, settings, read_only=True)


def _closed_ancestor(path: Path) -> Path | None:
    """The outermost directory above the path that strangers may not enter."""
    for ancestor in reversed(path.parents):
        if not ancestor.stat().st_mode & stat.S_IXOTH:
            return ancestor
    return None


def _within(root: Path, path: Path | str) -> Path:
    return root / str(path).lstrip("/")


def _empty(directory: Path) -> None:
    namespaces.mount("tmpfs", str(directory), kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=755")


def _bind_at(path: Path, root: Path) -> None:
    target = _within(root, path)
    target.mkdir(parents=True, exist_ok=True)
    namespaces.bind(str(path), str(target), read_only=True)


def _make_etc(root: Path, files: dict[str, str]) -> None:
    """A writable /etc whose entries lead to the machine's, so that volumes can be mounted below it."""
    etc, machine = root / "etc", root / ".etc"
    etc.mkdir()
    machine.mkdir()
    namespaces.bind("/etc", str(machine), read_only=True)
    for entry in os.scandir("/etc"):
        if entry.name not in _NAME_FILES:
            link = Path(entry.path).readlink() if entry.is_symlink() else f"/.etc/{entry.name}"
            (etc / entry.name).symlink_to(link)
    for name, content in files.items():
        (etc / name).write_text(content, encoding="utf-8")


def _place_program(root: Path, name: str, argv: Sequence[str]) -> None:
    """What a volume has put in its place stays."""
    target = _within(root, name if name.startswith("/") else f"{PROGRAMS}/{name}")
    _make_directory(root, target.parent)
    if not os.access(target.parent, os.W_OK):
        _unfold(target.parent)
    if not target.exists():
        target.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n', encoding="utf-8")
        target.chmod(_PROGRAM_MODE)


def _mount_volume(root: Path, mount: Mount) -> None:
    target = _within(root, os.path.normpath(mount.target))
    if mount.source.is_dir():
        _make_directory(root, target)
    else:
        _make_directory(root, target.parent)
        if target.is_symlink():
            target.unlink()
        if not target.exists():
            if not os.access(target.parent, os.W_OK):
                _unfold(target.parent)
            target.touch()
    namespaces.bind(str(mount.source), str(target), read_only=mount.read_only)


def _make_directory(root: Path, target: Path) -> None:
    """Makes a mount point; directories of the machine in its way become writable copies of their list of entries."""
    current = root
    for part in target.relative_to(root).parts:
        parent, current = current, current / part
        if current.is_symlink():
            _open_link(root, current)
        if current.is_dir():
            continue
        if not os.access(parent, os.W_OK):
            _unfold(parent)
        current.mkdir()


def _open_link(root: Path, link: Path) -> None:
    source = link.readlink()
    resolved = _within(root, source) if source.is_absolute() else link.parent / source
    if resolved.is_dir():
        link.unlink()
        link.mkdir()
        namespaces.bind(str(resolved), str(link))


def _unfold(directory: Path) -> None:
    """Puts a writable directory in the place of a read-only one, with each of its entries bound or linked again."""
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        behind = f"/proc/thread-self/fd/{handle}"
        entries = list(Path(behind).iterdir())
        _empty(directory)
        for entry in entries:
            target = directory / entry.name
            if entry.is_symlink():
                target.symlink_to(entry.readlink())
                continue
            target.mkdir() if entry.is_dir() else target.touch()
            namespaces.bind(str(entry), str(target))
    finally:
        os.close(handle)
