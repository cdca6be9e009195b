"""What a container sees as its file system: the machine's files, read-only and at their own paths, with private `/tmp`,
`/run`, `/var`, a minimal `/dev` and an `/etc` of its own.

There is no image store: programs come from the machine. Homes that others may not enter stay closed, but for the paths
that workloads need (interpreter, packages, what the catalogue names): those appear at their own place, so that any uid
can start them.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from crossfade_local import mount_trees, namespaces
from crossfade_local.kubelet import volume_mounts
from crossfade_local.kubelet.protection import Protection
from crossfade_local.kubelet.volume_mounts import Mount
from crossfade_local.mount_trees import NODEV, NOSUID, RDONLY
from crossfade_local.namespaces import MS_NODEV, MS_NOSUID

_OWN: Final = frozenset({"proc", "sys", "dev", "etc", "tmp", "run", "var", "lost+found"})
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS: Final = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
# Places of /sys that tell of the machine more than of its file systems.
_MASKED: Final = ("firmware", "devices/virtual/powercap")
# The node's /proc, until the container has its own: without one in sight the kernel lets no user mount another.
NODE_PROC: Final = "/.proc"
_PRIVATE: Final = ("tmp", "run", "var/tmp", "var/log", "var/lib", "var/cache", "var/spool")
_STICKY: Final = ("tmp", "var/tmp")
TERMINATION_LOG: Final = "/dev/termination-log"
_NAME_FILES: Final = ("hostname", "hosts", "resolv.conf")


class MachineView:
    """The part of a container's root that is the same for all: prepared once in the node's mount namespace."""

    def __init__(self, directory: Path, *, exposed: Sequence[Path], hidden: Path, sockets: int | None = None) -> None:
        """`exposed` paths are visible to every uid; `hidden` (the cluster's own data) to none, nor the sockets that
        the descriptor `sockets`, an open /proc/net/unix, lists."""
        self._base = directory / "machine"
        self._exposed = tuple(exposed)
        self.new_root = directory / "root"
        self.memory = directory / "memory"
        """A place for files that are on no disk; it ends with the node."""
        namespaces.mount("tmpfs", str(directory), kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=755")
        for place in (self._base, self.new_root, self.memory, directory / "nothing"):
            place.mkdir()
        self.protection = Protection(directory / "nothing", hidden=hidden, sockets=sockets)
        self._show_machine()
        self._make_devices()
        self._show_kernel()

    def enter_new_root(
        self,
        *,
        mounts: Sequence[Mount],
        files: Mapping[str, str],
        programs: Mapping[str, Sequence[str]],
        read_only: bool = False,
    ) -> int:
        """Must run on a fresh thread: gives it a mount namespace with this root and the volumes; returns a descriptor.

        `files` are the contents of /etc/hostname, hosts and resolv.conf by name, `programs` those of the image. With
        `read_only`, only volumes can be written to. /proc stays empty until the container's process 1 mounts its own.
        """
        namespaces.unshare_mounts()
        own = namespaces.open_own("mnt")
        try:
            root = self.new_root
            namespaces.mount("tmpfs", str(root), kind="tmpfs", flags=MS_NOSUID, data="mode=755")
            self._fill(root)
            _make_etc(root, files)
            # By descriptor, since its name may be covered when the volumes are gathered.
            opened = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            covered_programs = volume_mounts.clone_programs(self._exposed, mounts)
            volumes = volume_mounts.gather(mounts, self.protection)
            namespaces.pivot_root(opened)
            os.close(opened)
            volume_mounts.place(volumes, covered_programs)
            volume_mounts.place_programs(programs)
            if read_only:
                namespaces.remount_read_only("/")
        except BaseException:
            os.close(own)
            raise
        return own

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
        # Terminals of its own: the machine's are in another instance.
        namespaces.mount("devpts", str(root / "dev/pts"), kind="devpts", flags=MS_NOSUID, data="ptmxmode=666,mode=620")
        for name in ("proc", NODE_PROC.lstrip("/")):
            (root / name).mkdir(exist_ok=True)
        namespaces.bind("/proc", str(root / NODE_PROC.lstrip("/")))
        for path in self._exposed:
            if path.parts[1] in _OWN:
                _bind_at(path, root)

    def _show_machine(self) -> None:
        blocked = {ancestor for path in self._exposed if (ancestor := _closed_ancestor(path))} | set(_closed_homes())
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
                mount_trees.restrict_at(str(entry), RDONLY | NOSUID | NODEV)

    def _cover(self, blocked: Iterable[Path]) -> None:
        for path in sorted(blocked):
            if path.parts[1] not in _OWN:
                _empty(_within(self._base, path))
        for path in self._exposed:
            if path.parts[1] not in _OWN and _closed_ancestor(path):
                _bind_at(path, self._base)
        closed = [path for path in self.protection.plan() if path.parts[1] not in _OWN]
        self.protection.cover([path for path in closed if _within(self._base, path).exists()], below=self._base)

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
        for name, link in _DEVICE_LINKS.items():
            (devices / name).symlink_to(link)

    def _show_kernel(self) -> None:
        system = self._base / "sys"
        system.mkdir()
        namespaces.bind("/sys", str(system))
        for name in _MASKED:
            if (system / name).exists():
                _empty(system / name)
        mount_trees.restrict_at(str(system), RDONLY | NOSUID)


def _closed_homes() -> Iterator[Path]:
    """Homes that strangers may not enter; to the machine's root, were it in a container, they would be open."""
    for folder in (Path("/"), Path("/home")):
        with suppress(OSError):
            for path in folder.iterdir():
                if path.parts[1] not in _OWN and not path.is_symlink() and path.is_dir() and _is_closed(path):
                    yield path


def _is_closed(path: Path) -> bool:
    return not path.stat().st_mode & stat.S_IXOTH


def _closed_ancestor(path: Path) -> Path | None:
    """The outermost directory above the path that strangers may not enter."""
    for ancestor in reversed(path.parents):
        if _is_closed(ancestor):
            return ancestor
    return None


def _within(root: Path, path: Path | str) -> Path:
    return root / str(path).lstrip("/")


def _empty(directory: Path) -> None:
    namespaces.mount("tmpfs", str(directory), kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=755")


def _bind_at(path: Path, root: Path) -> None:
    target = _within(root, path)
    target.mkdir(parents=True, exist_ok=True)
    namespaces.bind(str(path), str(target))
    mount_trees.restrict_at(str(target), RDONLY | NOSUID)


def _make_etc(root: Path, files: Mapping[str, str]) -> None:
    """A writable /etc whose entries lead to the machine's, so that volumes can be mounted below it."""
    etc, machine = root / "etc", root / ".etc"
    etc.mkdir()
    machine.mkdir()
    namespaces.bind("/etc", str(machine))
    mount_trees.restrict_at(str(machine), RDONLY | NOSUID)
    for entry in os.scandir("/etc"):
        if entry.name not in _NAME_FILES:
            link = Path(entry.path).readlink() if entry.is_symlink() else f"/.etc/{entry.name}"
            (etc / entry.name).symlink_to(link)
    for name, content in files.items():
        (etc / name).write_text(content, encoding="utf-8")
