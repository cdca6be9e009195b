"""Starts programs inside a pod's namespaces and waits for them without a thread per process."""

import asyncio
import contextlib
import os
import signal
import subprocess
from typing import IO, Final, NamedTuple

from crossfade_local import namespaces
from crossfade_local.namespaces import Namespaces

# What a container's root may do, beyond what `capabilities.add` names: the usual set of container engines but MKNOD.
ROOT_CAPABILITIES: Final = frozenset(
    {
        "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE",
        "NET_RAW", "SYS_CHROOT", "AUDIT_WRITE", "SETFCAP",
    }
)  # fmt: skip

# A session gets its terminal only by asking for it; setsid(1) does that in the child, where Python may not run code.
_TAKE_TERMINAL: Final = ("/usr/bin/setsid", "--ctty")


class Identity(NamedTuple):
    """Who a program runs as; `capabilities` bound what it can ever gain."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    capabilities: frozenset[str] = ROOT_CAPABILITIES
    may_gain_privileges: bool = True
    """False: set-uid programs have no effect."""


class Launch(NamedTuple):
    argv: tuple[str, ...]
    env: dict[str, str]
    workdir: str
    identity: Identity | None
    """None where the machine maps a single uid: every program then runs as that one."""


class Streams(NamedTuple):
    """Descriptors for the three standard streams; the caller keeps and closes them."""

    stdin: int
    stdout: int
    stderr: int
    terminal: bool = False
    """The descriptors are one pseudo terminal, which becomes the program's controlling terminal."""


class StartError(Exception):
    """The program could not be started; the text is for the container's status."""


class Process:
    """A running program and its process group."""

    def __init__(self, started: subprocess.Popen[bytes]) -> None:
        self._started = started
        self.pid = started.pid
        loop = asyncio.get_running_loop()
        self._exit_code: asyncio.Future[int] = loop.create_future()
        self._handle = os.pidfd_open(started.pid)
        loop.add_reader(self._handle, self._reap)

    async def wait(self) -> int:
        """Exit code as a shell shows it: 128 + n for signal n."""
        return await asyncio.shield(self._exit_code)

    @property
    def ended(self) -> bool:
        return self._exit_code.done()

    def signal(self, number: int) -> None:
        """To the program and all it started that stayed in its process group; nothing if it has ended."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _reap(self) -> None:
        code = self._started.poll()
        if code is None:
            return
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        # Grandchildren would otherwise hold the log pipes open for ever.
        self.signal(signal.SIGKILL)
        self._exit_code.set_result(code if code >= 0 else 128 - code)


async def start(launch: Launch, *, inside: Namespaces, streams: Streams) -> Process:
    """Raises StartError. A cancelled start leaves no process behind."""
    starting = asyncio.ensure_future(
        namespaces.on_fresh_thread(lambda: _start(launch, inside, streams), name=f"start {launch.argv[0]}")
    )
    try:
        return Process(await asyncio.shield(starting))
    except asyncio.CancelledError:
        process = Process(await starting)
        process.signal(signal.SIGKILL)
        await process.wait()
        raise


def _start(launch: Launch, inside: Namespaces, streams: Streams) -> subprocess.Popen[bytes]:
    namespaces.enter(inside)
    if launch.identity:
        namespaces.limit_capabilities(launch.identity.capabilities)
        if not launch.identity.may_gain_privileges:
            namespaces.forbid_new_privileges()
        namespaces.become(uid=launch.identity.uid, gid=launch.identity.gid, groups=launch.identity.groups)
    argv = [*_TAKE_TERMINAL, *launch.argv] if streams.terminal else list(launch.argv)
    try:
        return subprocess.Popen(
            argv,
            env=launch.env,
            cwd=launch.workdir,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            # A leader of its own session cannot take a terminal: there setsid(1) makes the session.
            start_new_session=not streams.terminal,
            umask=0o022,
        )
    except FileNotFoundError as error:
        raise StartError(_missing(launch, error)) from error
    except (OSError, ValueError) as error:
        raise StartError(f'exec: "{launch.argv[0]}": {error}') from error


def _missing(launch: Launch, error: FileNotFoundError) -> str:
    if error.filename == launch.workdir:
        return f'chdir to workingDir "{launch.workdir}": no such directory'
    if "/" in launch.argv[0]:
        return f'exec: "{launch.argv[0]}": no such file or directory'
    return f'exec: "{launch.argv[0]}": executable file not found in $PATH'


class Pipe(NamedTuple):
    """A pipe whose far end a program of another uid may open again through /dev/stdout."""

    read: int
    write: int

    @classmethod
    def open(cls, *, owner: int | None = None) -> "Pipe":
        read, write = os.pipe2(os.O_CLOEXEC)
        if owner:
            with contextlib.suppress(OSError):
                os.fchown(write, owner, -1)
        return cls(read, write)


def null_input() -> IO[bytes]:
    return open(os.devnull, "rb")  # noqa: PTH123 - the caller closes it
