"""Trees of mounts that are in no place yet, and paths that cannot lead out of a directory, by raw system calls.

A tree is cloned while its source can be named and attached when the root around it is already the container's: so no
name that a container controls (a symbolic link in a volume) is ever looked up in the machine's own root.
"""

import ctypes
import errno
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Final

from crossfade_local import namespaces

RDONLY: Final = 0x1
NOSUID: Final = 0x2
NODEV: Final = 0x4

# These system calls have the same numbers on every machine type.
_OPEN_TREE: Final = 428
_MOVE_MOUNT: Final = 429
_OPENAT2: Final = 437
_MOUNT_SETATTR: Final = 442
_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_OPEN_TREE_CLONE: Final = 0x1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 0x4
_RESOLVE_NO_MAGICLINKS: Final = 0x2
_RESOLVE_BENEATH: Final = 0x8


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def are_possible() -> bool:
    """Whether the kernel has all of these system calls: the youngest came with Linux 5.12."""
    try:
        _set_attributes(_AT_FDCWD, "", 0, 0)
    except OSError as error:
        return error.errno != errno.ENOSYS
    return True


def clone(path: str, *, at: int = _AT_FDCWD) -> int:
    """Descriptor of a copy of all mounts from `path` on, or from the open place `at` when `path` is empty."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE | (0 if path else _AT_EMPTY_PATH)
    return namespaces.system_call(_OPEN_TREE, at, path.encode(), flags, action=f"clone the mounts at {path or at}")


def restrict(tree: int, attributes: int) -> None:
    """Sets mount attributes (RDONLY, NOSUID, NODEV) for the whole tree."""
    _set_attributes(tree, "", _AT_EMPTY_PATH | _AT_RECURSIVE, attributes)


def restrict_at(path: str, attributes: int) -> None:
    """The same for what is mounted at a path."""
    _set_attributes(_AT_FDCWD, path, _AT_RECURSIVE, attributes)


def attach(tree: int, target: str) -> None:
    """Mounts a cloned tree and closes its descriptor."""
    try:
        namespaces.system_call(
            _MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH, action=f"mount on {target}"
        )
    finally:
        os.close(tree)


def open_beneath(directory: int, path: str, flags: int = os.O_PATH) -> int:
    """Raises OSError (EXDEV) where `..` or a symbolic link leads out of the directory."""
    how = _How(flags | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    return namespaces.system_call(
        _OPENAT2, directory, (path or ".").encode(), ctypes.byref(how), ctypes.sizeof(how), action=f"open {path}"
    )


def open_or_make_beneath(directory: int, path: str) -> int:
    """As `open_beneath`; what is missing becomes directories with the mode of the one that they are in."""
    try:
        return open_beneath(directory, path)
    except FileNotFoundError:
        parts = PurePosixPath(path).parts
    here = os.dup(directory)
    mode = stat.S_IMODE(os.fstat(here).st_mode)
    for part in parts:
        try:
            try:
                fresh = open_beneath(here, part)
            except FileNotFoundError:
                os.mkdir(part, 0o755, dir_fd=here)
                fresh = open_beneath(here, part)
                # By descriptor: the name may be somebody else's by now.
                Path(f"/proc/self/fd/{fresh}").chmod(mode)
        finally:
            os.close(here)
        here = fresh
    return here


def leads_out(error: OSError) -> bool:
    return error.errno == errno.EXDEV


def _set_attributes(at: int, path: str, flags: int, attributes: int) -> None:
    wanted = _Attributes(attr_set=attributes)
    namespaces.system_call(
        _MOUNT_SETATTR, at, path.encode(), flags, ctypes.byref(wanted), ctypes.sizeof(wanted),
        action=f"restrict the mounts at {path or at}",
    )  # fmt: skip
