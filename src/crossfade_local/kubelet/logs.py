"""Container logs: one file per run in the format of container runtimes (`TIME STREAM F TEXT`), rotated by size.

Writing follows pipes on the event loop; readers that follow a log are woken by the writer, they do not poll.
"""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
_MAX_LINE_BYTES: Final = 16 * 1024
_READ_BYTES: Final = 65_536
_TAIL_LINES: Final = 80
_MOST_WAITING: Final = 64
"""Pieces of at most `_READ_BYTES` that wait for one reader."""


class LogQuery(NamedTuple):
    """Options of `kubectl logs`; `since` is the oldest time wanted."""

    follow: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


class LogFile:
    """The log of one run of a container. A full file is renamed to `.1` and a new one begun."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> None:
        self.path = path
        self.closed = False
        self.rotations = 0
        self._max_bytes = max_bytes
        self._changed = asyncio.Event()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab")
        self._open_streams = 0
        self._taps: set[asyncio.Queue[tuple[str, bytes] | None]] = set()

    def follow_pipe(self, descriptor: int, stream: str) -> None:
        """Takes over the reading end of a pipe and closes it at its end."""
        os.set_blocking(descriptor, False)
        self._open_streams += 1
        partial = bytearray()
        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                data = os.read(descriptor, _READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                for tap in tuple(self._taps):
                    self._feed(tap, stream, data)
                self._write_lines(stream, partial, data)
                return
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._write_lines(stream, partial, b"", last=True)
            self._open_streams -= 1
            if not self._open_streams:
                self.close()

        loop.add_reader(descriptor, read)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._file.close()
            self._wake()
            for tap in self._taps:
                tap.put_nowait(None)

    def _feed(self, tap: "asyncio.Queue[tuple[str, bytes] | None]", stream: str, data: bytes) -> None:
        """A reader that has fallen far behind is let go: it must not fill the node's memory."""
        if tap.qsize() < _MOST_WAITING:
            tap.put_nowait((stream, data))
        else:
            self._taps.discard(tap)
            tap.put_nowait(None)

    @contextlib.contextmanager
    def tapped(self) -> Iterator["asyncio.Queue[tuple[str, bytes] | None]"]:
        """What is printed from now on as it comes, with its stream; None at the end, or when too much waits."""
        tap: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        self._taps.add(tap)
        if self.closed:
            tap.put_nowait(None)
        try:
            yield tap
        finally:
            self._taps.discard(tap)

    def tail_text(self, limit: int) -> str:
        """The end of what was logged, at most so many characters."""
        lines = deque(_stored_lines(self.path), maxlen=_TAIL_LINES)
        return b"".join(render(line, timestamps=False) for line in lines).decode(errors="replace")[-limit:]

    async def changed(self) -> None:
        """Returns after the next line, or at the end."""
        if not self.closed:
            await self._changed.wait()

    def _write_lines(self, stream: str, partial: bytearray, data: bytes, *, last: bool = False) -> None:
        partial += data
        stamp = _now()
        written: list[bytes] = []
        while (end := partial.find(b"\n")) >= 0:
            written.extend(_stored(bytes(partial[:end]), stamp, stream))
            del partial[: end + 1]
        if partial and (last or len(partial) >= _MAX_LINE_BYTES):
            written.append(f"{stamp} {stream} P ".encode() + bytes(partial) + b"\n")
            partial.clear()
        if written and not self.closed:
            self._file.write(b"".join(written))
            self._file.flush()
            self._rotate()
            self._wake()

    def _rotate(self) -> None:
        if self._file.tell() < self._max_bytes:
            return
        self._file.close()
        self.path.replace(_rotated(self.path))
        self.rotations += 1
        self._file = self.path.open("ab")

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def read_log(path: Path, query: LogQuery, live: LogFile | None) -> AsyncIterator[bytes]:
    """Chunks of plain text. `live` is the writer while the run goes on, needed to follow it."""
    remaining = query.limit_bytes
    following = query.follow and live is not None
    end = _Position.end_of(path, live) if following else None
    for line in _select(_stored_lines(path, upto=end), query):
        text = render(line, timestamps=query.timestamps)
        yield text if remaining is None else text[:remaining]
        if remaining is not None and (remaining := remaining - len(text)) <= 0:
            return
    if following and live is not None and end is not None:
        async for line in _lines_after(end, live):
            yield render(line, timestamps=query.timestamps)


class _Position(NamedTuple):
    """A place in a log: how often it had been rotated, and the offset in the file of then."""

    rotations: int
    offset: int

    @classmethod
    def end_of(cls, path: Path, live: LogFile | None) -> "_Position":
        return cls(live.rotations if live else 0, path.stat().st_size if path.exists() else 0)


async def _lines_after(position: _Position, live: LogFile) -> AsyncIterator[bytes]:
    """Nothing is lost to a slow reader, unless two whole files were filled meanwhile."""
    while True:
        ended, rotations = live.closed, live.rotations
        lines = list(_read_from(_rotated(live.path) if position.rotations < rotations else live.path, position.offset))
        position = position._replace(offset=position.offset + sum(map(len, lines)))
        for line in lines:
            yield line
        if position.rotations < rotations:
            position = _Position(rotations, 0)
        elif not lines and ended:
            return
        elif not lines:
            await live.changed()


def _read_from(path: Path, offset: int) -> Iterator[bytes]:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(offset)
        yield from file


def _rotated(path: Path) -> Path:
    return path.with_suffix(".log.1")


def render(stored: bytes, *, timestamps: bool) -> bytes:
    """A stored line as `kubectl logs` shows it."""
    stamp, _, rest = stored.partition(b" ")
    _, _, rest = rest.partition(b" ")
    flag, _, text = rest.partition(b" ")
    if flag == b"P":
        text = text.removesuffix(b"\n")
    return stamp + b" " + text if timestamps else text


def _select(lines: Iterable[bytes], query: LogQuery) -> Iterable[bytes]:
    if query.since:
        oldest = query.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").encode()
        lines = (line for line in lines if line[: len(oldest)] >= oldest)
    if query.tail_lines is not None:
        return deque(lines, maxlen=query.tail_lines)
    return lines


def _stored_lines(path: Path, *, upto: _Position | None = None) -> Iterator[bytes]:
    yield from _read_from(_rotated(path), 0)
    read = 0
    for line in _read_from(path, 0):
        read += len(line)
        if upto is not None and read > upto.offset:
            return
        yield line


def _stored(line: bytes, stamp: str, stream: str) -> Iterator[bytes]:
    """Long lines are cut into partial ones, as container runtimes do."""
    prefix = f"{stamp} {stream} ".encode()
    while len(line) > _MAX_LINE_BYTES:
        yield prefix + b"P " + line[:_MAX_LINE_BYTES] + b"\n"
        line = line[_MAX_LINE_BYTES:]
    yield prefix + b"F " + line + b"\n"


def _now(clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> str:
    return clock().strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
