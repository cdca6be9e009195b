"""Starts programs inside a pod's namespaces and waits for them without a thread per process."""

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Final, NamedTuple

from crossfade_local import namespaces
from crossfade_local.kubelet import first_process
from crossfade_local.kubelet.privileges import Identity
from crossfade_local.namespaces import CLONE_NEWPID, Namespaces

# A session gets its terminal only by asking for it; setsid(1) does that in the child, where Python may not run code.
_TAKE_TERMINAL: Final = ("/usr/bin/setsid", "--ctty")
_MAX_COMPLAINT: Final = 4096


class Launch(NamedTuple):
    argv: tuple[str, ...]
    env: dict[str, str]
    workdir: str
    identity: Identity
    groups: tuple[Path, ...] = ()
    """Files by which the program joins its control group."""


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
    """A running program: a container's first, or one beside it, which is signalled with its process group."""

    def __init__(self, started: subprocess.Popen[bytes], *, is_first: bool = False) -> None:
        self._started = started
        self._send = os.kill if is_first else os.killpg
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
        """Nothing if it has ended. A first process that is process 1 gets what it handles, and SIGKILL."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            self._send(self.pid, number)

    async def end(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL when the grace is over. Returns when it has ended."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self.wait()
        self.signal(signal.SIGKILL)
        await self.wait()

    def _reap(self) -> None:
        code = self._started.poll()
        if code is None:
            return
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        if self._send is os.killpg:
            # Grandchildren would otherwise hold the pipes open for ever; with process 1 they end anyway.
            self.signal(signal.SIGKILL)
        self._exit_code.set_result(code if code >= 0 else 128 - code)


async def start(launch: Launch, *, inside: Namespaces, streams: Streams) -> Process:
    """A program beside a container's own. Raises StartError. A cancelled start leaves no process behind."""
    return await _start_with(lambda: _start(launch, inside, streams), launch, is_first=False)


async def start_first(
    launch: Launch, *, inside: Namespaces, streams: Streams, reaps: bool = False
) -> tuple[Process, Namespaces]:
    """A container's own program, as process 1 of a new pid namespace unless `inside` has one; and where it then is.

    With `reaps` orphans that become its children leave no zombies. Raises StartError. A cancelled start leaves no
    process behind."""
    process = await _start_with(lambda: _start_first(launch, inside, streams, reaps=reaps), launch, is_first=True)
    if inside.pid is None:
        inside = inside._replace(pid=os.open(f"/proc/{process.pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC))
    return process, inside


async def _start_with(begin: Callable[[], subprocess.Popen[bytes]], launch: Launch, *, is_first: bool) -> Process:
    starting = asyncio.ensure_future(namespaces.on_fresh_thread(begin, name=f"start {launch.argv[0]}"))
    try:
        return Process(await asyncio.shield(starting), is_first=is_first)
    except asyncio.CancelledError:
        process = Process(await starting, is_first=is_first)
        process.signal(signal.SIGKILL)
        await process.wait()
        raise


def _start(launch: Launch, inside: Namespaces, streams: Streams) -> subprocess.Popen[bytes]:
    with _opened(launch.groups) as groups:
        namespaces.enter(inside)
        first_process.assume(launch.identity)
        argv = [*_TAKE_TERMINAL, *launch.argv] if streams.terminal else list(launch.argv)
        prepare = partial(first_process.join, groups) if groups else None
        # A leader of its own session cannot take a terminal: there setsid(1) makes the session.
        return _popen(argv, launch, streams, start_new_session=not streams.terminal, prepare=prepare)


def _start_first(launch: Launch, inside: Namespaces, streams: Streams, *, reaps: bool) -> subprocess.Popen[bytes]:
    with _opened(launch.groups) as groups:
        namespaces.enter(inside)
        if inside.pid is None:
            namespaces.unshare(CLONE_NEWPID)
        with _complaints() as complaints:
            prepare = first_process.preparation(
                launch.identity, groups=groups, terminal=streams.terminal, reaps=reaps, complaints=complaints
            )
            return _popen(list(launch.argv), launch, streams, start_new_session=True, prepare=prepare)


@contextlib.contextmanager
def _opened(files: tuple[Path, ...]) -> Iterator[list[int]]:
    """For writing. Raises StartError."""
    with contextlib.ExitStack() as stack:
        descriptors = []
        for file in files:
            try:
                descriptors.append(os.open(file, os.O_WRONLY | os.O_CLOEXEC))
            except OSError as error:
                raise StartError(f"control group {file.parent}: {error.strerror}") from error
            stack.callback(os.close, descriptors[-1])
        yield descriptors


@contextlib.contextmanager
def _complaints() -> Iterator[int]:
    """Where a forked child writes what went wrong before it became its program: the text of StartError then."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        yield writing
    except subprocess.SubprocessError as error:
        os.set_blocking(reading, False)
        with contextlib.suppress(BlockingIOError):
            raise StartError(os.read(reading, _MAX_COMPLAINT).decode(errors="replace")) from error
        raise StartError(str(error)) from error
    finally:
        os.close(reading)
        os.close(writing)


def _popen(
    argv: list[str],
    launch: Launch,
    streams: Streams,
    *,
    start_new_session: bool,
    prepare: Callable[[], None] | None = None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            env=launch.env,
            cwd=launch.workdir,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            start_new_session=start_new_session,
            umask=0o022,
            preexec_fn=prepare,
        )
    except FileNotFoundError as error:
        raise StartError(_missing(launch, error)) from error
    except (OSError, ValueError) as error:
        # Nobody can be born where process 1 has ended.
        ended = isinstance(error, OSError) and error.errno == errno.ENOMEM
        reason = "its container has ended" if ended else str(error)
        raise StartError(f'exec: "{launch.argv[0]}": {reason}') from error


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
