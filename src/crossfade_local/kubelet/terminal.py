"""The streams of a command in a container: three pipes or one pseudo terminal, read and written on the event loop."""

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from crossfade_local import namespaces
from crossfade_local.kubelet.process import Pipe, Streams
from crossfade_local.namespaces import Namespaces

_CHUNK: Final = 65_536
_TIOCGPTPEER: Final = 0x5441
_TIOCSPTLCK: Final = 0x40045431


class Terminal(NamedTuple):
    """Both ends of a pseudo terminal."""

    ours: int
    theirs: int


async def open_terminal(inside: Namespaces) -> Terminal:
    """One of the container's own instance, where its programs find it by name. Raises OSError."""

    def open_both() -> Terminal:
        namespaces.enter(Namespaces(net=inside.net, uts=inside.uts, mount=inside.mount))
        ours = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        fcntl.ioctl(ours, _TIOCSPTLCK, struct.pack("i", 0))
        return Terminal(ours, fcntl.ioctl(ours, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))

    return await namespaces.on_fresh_thread(open_both, name="terminal")


class CommandStreams:
    """`streams` goes to the program; after its start `release` closes what is the program's only."""

    def __init__(self, *, stdin: bool, terminal: Terminal | None, owner: int | None) -> None:
        self.terminal = terminal is not None
        self._input: int | None = None
        if terminal:
            ours, theirs = terminal
            with contextlib.suppress(OSError):
                os.fchown(theirs, owner or 0, -1)
            self.outputs = {1: ours}
            self._input = ours if stdin else None
            self._theirs = {theirs}
            self.streams = Streams(theirs, theirs, theirs, terminal=True)
        else:
            out, err = Pipe.open(owner=owner), Pipe.open(owner=owner)
            source = self._make_input(stdin)
            self.outputs = {1: out.read, 2: err.read}
            self._theirs = {source, out.write, err.write}
            self.streams = Streams(source, out.write, err.write)
        inputs = [] if self._input is None else [self._input]
        for descriptor in {*self.outputs.values(), *inputs}:
            os.set_inheritable(descriptor, False)
            os.set_blocking(descriptor, False)

    def _make_input(self, stdin: bool) -> int:
        if not stdin:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        source, self._input = Pipe.open()
        return source

    def release(self) -> None:
        for descriptor in self._theirs:
            os.close(descriptor)
        self._theirs = set()

    def close(self) -> None:
        self.close_input()
        for descriptor in self.outputs.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.outputs = {}

    async def read(self, descriptor: int) -> AsyncIterator[bytes]:
        """Until the program and its children have closed their end."""
        while True:
            try:
                data = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                await _until(descriptor, write=False)
                continue
            except OSError:
                # Linux reports the end of a pseudo terminal as an I/O error.
                return
            if not data:
                return
            yield data

    async def write(self, data: bytes) -> None:
        """What a program does not read any more is dropped."""
        view = memoryview(data)
        while view and self._input is not None:
            try:
                view = view[os.write(self._input, view) :]
            except BlockingIOError:
                await _until(self._input, write=True)
            except OSError:
                return

    def close_input(self) -> None:
        """End of input; at a terminal that is a character, and the terminal stays open."""
        if self._input is None:
            return
        if self.terminal:
            with contextlib.suppress(OSError):
                os.write(self._input, b"\x04")
        else:
            os.close(self._input)
        self._input = None

    def resize(self, *, columns: int, rows: int) -> None:
        if self.terminal and self.outputs:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self.outputs[1], termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


async def _until(descriptor: int, *, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    # The loop watches a descriptor once per direction: a copy keeps reader and writer of a terminal apart.
    copy = os.dup(descriptor)
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)

    def note() -> None:
        if not ready.done():
            ready.set_result(None)

    add(copy, note)
    try:
        await ready
    finally:
        remove(copy)
        os.close(copy)
