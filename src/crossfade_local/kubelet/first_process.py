"""What a container's first process does before it becomes the program: mounts its own /proc, drops privileges.

It runs in a forked child, so it makes system calls and nothing else: no logging, no waiting for another thread.
"""

import fcntl
import os
import stat
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from crossfade_local import mount_trees, namespaces, system_call_filter
from crossfade_local.kubelet.privileges import Identity
from crossfade_local.kubelet.rootfs import NODE_PROC
from crossfade_local.mount_trees import RDONLY
from crossfade_local.namespaces import MS_NODEV, MS_NOSUID

# Files and directories of /proc that tell of the machine, and those by which its root could change it.
_MASKED: Final = (
    "acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list",
    "timer_stats",
)  # fmt: skip
_READ_ONLY: Final = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_MS_NOEXEC: Final = 0x8
_NULL: Final = "/dev/null"


def assume(identity: Identity) -> None:
    """For the calling thread and what it starts, for good."""
    namespaces.limit_capabilities(identity.capabilities)
    if identity.is_filtered:
        system_call_filter.apply()
    if not identity.may_gain_privileges:
        namespaces.forbid_new_privileges()
    if identity.uid is not None:
        namespaces.become(uid=identity.uid, gid=identity.gid, groups=identity.groups)


def join(groups: Sequence[int]) -> None:
    """The calling process, and all that it starts, belongs to the control groups whose `cgroup.procs` these are."""
    for group in groups:
        os.write(group, b"0")


def preparation(
    identity: Identity, *, groups: Sequence[int], terminal: bool, reaps: bool, complaints: int
) -> Callable[[], None]:
    """For `preexec_fn`; what goes wrong is written to the descriptor `complaints`."""

    def prepare() -> None:
        try:
            join(groups)
            _mount_proc()
            if terminal:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if reaps:
                namespaces.leave_no_zombies()
            assume(identity)
        except BaseException as error:
            os.write(complaints, str(error).encode())
            raise

    return prepare


def _mount_proc() -> None:
    """In the caller's pid namespace; the node's, which had to be in sight for it, goes."""
    namespaces.mount("proc", "/proc", kind="proc", flags=MS_NOSUID | MS_NODEV | _MS_NOEXEC)
    namespaces.unmount(NODE_PROC)
    for name in _MASKED:
        path = f"/proc/{name}"
        try:
            mode = Path(path).stat().st_mode
        except OSError:
            continue
        if stat.S_ISDIR(mode):
            namespaces.mount("tmpfs", path, kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=555,size=0")
        else:
            namespaces.bind(_NULL, path)
    for name in _READ_ONLY:
        path = f"/proc/{name}"
        if os.path.lexists(path):
            namespaces.bind(path, path)
            mount_trees.restrict_at(path, RDONLY)
