"""Tells which files of a directory may have changed: the kernel says so at once, and nothing runs in between.

Not every file system tells of every change (a network's does not tell of those made elsewhere), so that now and then
everything is to be looked at.
"""

import asyncio
import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from asyncinotify import Event, Inotify, Mask

from crossfade.gateway_files.directory import is_manifest

QUIET_S: Final = 0.005
MOST_GATHERED_S: Final = 0.05
LOOK_AGAIN_S: Final = 10.0
# Where the kernel tells nothing at all.
BLIND_S: Final = 1.0
# Looking at everything takes at most this share of the time.
_SHARE: Final = 0.0005
_MASK: Final = (
    Mask.CLOSE_WRITE
    | Mask.ATTRIB
    | Mask.CREATE
    | Mask.DELETE
    | Mask.MOVED_FROM
    | Mask.MOVED_TO
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
)
_ELSEWHERE: Final = Mask.Q_OVERFLOW | Mask.IGNORED | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT


class FolderWatch:
    """Use it as a context manager, then call `next` again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inotify: Inotify | None = None
        self._reader: asyncio.Task[None] | None = None
        self._names: set[str] = set()
        self._everything = False
        self._watched: tuple[int, int] | None = None
        self._others: frozenset[str] = frozenset()
        self._woken = asyncio.Event()
        self._cost_s = 0.0
        self.noticed_s: float | None = None
        """On the event loop's clock, when the first of the changes that `next` last told of came."""
        self.trouble = ""
        """Why the kernel tells nothing; empty as long as it does."""

    async def __aenter__(self) -> Self:
        try:
            self._inotify = Inotify()
        except OSError as error:
            self.trouble = error.strerror or str(error)
        else:
            self._reader = asyncio.create_task(self._read(self._inotify))
            self._watch_folder()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._inotify is not None:
            self._inotify.close()

    async def next(self) -> frozenset[str] | None:
        """Waits for a change; names of files, or None when any may have changed. Gathers bursts."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s()):
                await self._woken.wait()
        self.noticed_s = asyncio.get_running_loop().time()
        if not self._woken.is_set():
            self._watch_folder()
            return None
        await self._gather()
        names, everything = frozenset(self._names), self._everything
        self._names.clear()
        self._everything = False
        if everything:
            self._watch_folder()
        return None if everything else names

    def looked_at_everything(self, *, cost_s: float) -> None:
        """How long that took: what takes long is done less often."""
        self._cost_s = cost_s

    def follow(self, targets: frozenset[str]) -> None:
        """The directories that links lead to: a change there is one here."""
        if self._inotify is None or targets == self._others:
            return
        for target in targets - self._others - {os.path.realpath(self._folder)}:
            # A target that is gone by now, or one too many: looking at everything now and then has to do.
            with contextlib.suppress(OSError):
                self._inotify.add_watch(target, _MASK | Mask.ONLYDIR)
        self._others = targets

    def _patience_s(self) -> float:
        return max(BLIND_S if self._watched is None else LOOK_AGAIN_S, self._cost_s / _SHARE)

    async def _gather(self) -> None:
        end = asyncio.get_running_loop().time() + MOST_GATHERED_S
        while self._woken.is_set() and asyncio.get_running_loop().time() < end:
            self._woken.clear()
            await asyncio.sleep(QUIET_S)
        self._woken.clear()

    async def _read(self, inotify: Inotify) -> None:
        async for event in inotify:
            self._note(event)

    def _note(self, event: Event) -> None:
        own = event.watch is not None and event.watch.path == self._folder
        name = str(event.name) if event.name is not None else ""
        if event.mask & _ELSEWHERE or not own:
            self._everything = True
            if own and event.mask & _ELSEWHERE:
                self._watched = None
        elif not name or name.startswith(".."):
            # The directory's own rights; or, as Kubernetes mounts a ConfigMap, a link that all files lead over.
            self._everything = True
        elif is_manifest(name) and not (event.mask & Mask.CREATE and _will_be_written(f"{self._folder}/{name}")):
            self._names.add(name)
        else:
            return
        self._woken.set()

    def _watch_folder(self) -> None:
        """The directory may have been replaced by another of its name, or be a link that leads elsewhere now."""
        if self._inotify is None:
            return
        try:
            found = self._folder.stat()
            if self._watched != (found.st_dev, found.st_ino):
                self._inotify.add_watch(self._folder, _MASK | Mask.ONLYDIR)
                self._watched = (found.st_dev, found.st_ino)
                self.trouble = ""
        except OSError as error:
            self._watched = None
            self.trouble = error.strerror or str(error)


def _will_be_written(path: str) -> bool:
    """A new file is told of again when it is complete; a link is complete from the start."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return not os.path.islink(path) and found.st_nlink == 1  # noqa: PTH114
