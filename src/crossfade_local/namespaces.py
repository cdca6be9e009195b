"""Linux namespaces, mounts and credentials of the calling thread, by raw system calls.

Nothing here touches any other thread: callers run on a fresh thread (`on_fresh_thread`), change it beyond repair, start
their process from it and let it end. Python has `os.setns` and `os.unshare` only from 3.12 on.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

CLONE_FS: Final = 0x200
CLONE_NEWNS: Final = 0x20000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
MNT_DETACH: Final = 2

_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38

# The C library's set*id wrappers change every thread of the process; the bare system calls change one.
_SYSCALLS: Final = {
    "x86_64": {"setgroups": 116, "setresgid": 119, "setresuid": 117, "pivot_root": 155},
    "aarch64": {"setgroups": 159, "setresgid": 149, "setresuid": 147, "pivot_root": 41},
}
_NUMBERS: Final = _SYSCALLS.get(os.uname().machine, {})
_libc: Final = ctypes.CDLL(None, use_errno=True)

CAPABILITIES: Final = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip


_KINDS: Final = (CLONE_NEWNET, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNS)


class Namespaces(NamedTuple):
    """Open descriptors that keep namespaces alive.

    `mount` is absent until a container has its own root, `pid` until its program runs or, for processes that the whole
    pod shares, until the pod's own process 1 does."""

    net: int
    uts: int
    ipc: int | None = None
    pid: int | None = None
    mount: int | None = None

    def close(self) -> None:
        for descriptor in self:
            if descriptor is not None:
                os.close(descriptor)

    def close_except(self, others: "Namespaces") -> None:
        for descriptor in self:
            if descriptor is not None and descriptor not in others:
                os.close(descriptor)


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def unshare_mounts() -> None:
    """Gives the calling thread a mount namespace whose changes nobody else sees."""
    unshare(CLONE_NEWNS)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def enter(namespaces: Namespaces) -> None:
    """Joins the calling thread to the namespaces; a mount namespace also changes its root and working directory.

    A pid namespace is joined by the processes that the thread then starts."""
    # A mount namespace can be joined only by a thread that shares its file system state with no other.
    unshare(CLONE_FS)
    for descriptor, kind in zip(namespaces, _KINDS, strict=True):
        if descriptor is not None:
            _check(_libc.setns(descriptor, ctypes.c_int(kind)), "setns")


def open_own(kind: str) -> int:
    """Descriptor of the calling thread's namespace; `kind` as in /proc/self/ns."""
    return os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def processes_in(namespace: int, kind: str) -> Iterator[int]:
    """Every process whose namespace of this kind it is, also those that left their process group."""
    wanted = os.fstat(namespace).st_ino
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if (process / "ns" / kind).stat().st_ino == wanted:
                    yield int(process.name)


def kill_all_in(namespace: int, kind: str = "net") -> None:
    for pid in processes_in(namespace, kind):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def mount(source: str, target: str, *, kind: str = "", flags: int = 0, data: str = "") -> None:
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    )
    _check(result, f"mount {kind or source} on {target}")


def unmount(target: str) -> None:
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def bind(source: str, target: str) -> None:
    """Binds a file or a whole tree of mounts."""
    mount(source, target, flags=MS_BIND | MS_REC)


def remount_read_only(target: str) -> None:
    """This one mount, not those below it."""
    mount("none", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


def pivot_root(new_root: int) -> None:
    """Makes `new_root` (a mount point, opened) the root of the thread's mount namespace and drops the old one."""
    os.fchdir(new_root)
    # Both names are the same directory: the old root lands on top of the new one and is detached from there.
    system_call(_number("pivot_root"), b".", b".", action="pivot_root")
    unmount(".")
    os.chdir("/")


def become(*, uid: int, gid: int, groups: tuple[int, ...]) -> None:
    """Changes the calling thread's identity; from uid 0 to another it loses all capabilities."""
    array = (ctypes.c_uint32 * len(groups))(*groups)
    system_call(_number("setgroups"), len(groups), array, action="setgroups")
    system_call(_number("setresgid"), gid, gid, gid, action="setresgid")
    system_call(_number("setresuid"), uid, uid, uid, action="setresuid")


def system_call(number: int, *arguments: object, action: str) -> int:
    """Its result; raises OSError that names the action."""
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{action}: {os.strerror(code)}")
    return result


def limit_capabilities(kept: frozenset[str]) -> None:
    """Programs started from this thread can never gain another capability than `kept`, set-uid programs included."""
    for number, name in enumerate(CAPABILITIES):
        if name not in kept:
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)


def forbid_new_privileges() -> None:
    """For this thread and all that it starts, for good."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs")


def leave_no_zombies() -> None:
    """The calling process, and the program that it becomes, need not wait for their children."""
    _libc.signal(signal.SIGCHLD, ctypes.c_void_p(int(signal.SIG_IGN)))


def control_process(option: int, argument: int, pointer: int, *, action: str) -> None:
    """prctl(2) with two arguments, for the calling thread. Raises OSError."""
    _check(_libc.prctl(option, ctypes.c_ulong(argument), ctypes.c_ulong(pointer), 0, 0), action)


async def on_fresh_thread(function: Callable[[], T], *, name: str) -> T:
    """Runs the function on a thread of its own, so that what it does to its namespaces ends with it."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def deliver(setter: Callable[[], None]) -> None:
        if not outcome.done():
            setter()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:
            loop.call_soon_threadsafe(deliver, lambda caught=error: outcome.set_exception(caught))
        else:
            loop.call_soon_threadsafe(deliver, lambda: outcome.set_result(result))

    threading.Thread(target=run, name=name, daemon=True).start()
    return await outcome


def _number(name: str) -> int:
    try:
        return _NUMBERS[name]
    except KeyError:
        raise OSError(f"{name} is not known for machine type {os.uname().machine}") from None


def _check(result: int, action: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{action}: {os.strerror(code)}")
