"""Keeps what the plugin acme needs in a folder, an entry a file that nobody else can read.

Challenges stay in memory: they mean nothing to another process, and nothing after a restart.
"""

import asyncio
import os
import stat
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from crossfade.acme.store import Changes, Entries, StoreError
from crossfade.compile.gateway.acme_store import ACCOUNT, CERTIFICATE, CHALLENGE, FAILURE

_KEPT: Final = (ACCOUNT, CERTIFICATE, FAILURE)
_LARGEST: Final = 1 << 20


class FolderStore:
    """`on_change` gets all entries when some are new; `on_trouble` why a file is passed over, once each."""

    def __init__(
        self,
        folder: Path,
        *,
        on_change: Callable[[Entries], Awaitable[None]],
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._on_change = on_change
        self._on_trouble = on_trouble
        self._told: set[str] = set()
        self._challenges: dict[str, bytes] = {}
        self._latest: Entries | None = None

    async def read(self) -> Entries:
        entries = {**await asyncio.to_thread(read_folder, self._folder, self._pass_over), **self._challenges}
        await self._announce(entries)
        return entries

    async def write(self, changes: Changes) -> None:
        for key, content in changes.items():
            if not key.startswith(CHALLENGE):
                await asyncio.to_thread(self._put, key, content)
            elif content is None:
                self._challenges.pop(key, None)
            else:
                self._challenges[key] = content
        await self.read()

    async def _announce(self, entries: Entries) -> None:
        if entries != self._latest:
            self._latest = entries
            await self._on_change(entries)

    def _pass_over(self, path: Path, reason: str) -> None:
        text = f"{path} is passed over: {reason}"
        if text not in self._told:
            self._told.add(text)
            self._on_trouble(text)

    def _put(self, key: str, content: bytes | None) -> None:
        path = self._folder / key
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if content is None:
                path.unlink(missing_ok=True)
            else:
                self._replace(path, content)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}") from None

    def _replace(self, path: Path, content: bytes) -> None:
        """Whoever reads finds the old content or the new one, also after a crash."""
        descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except OSError:
            with suppress(OSError):
                Path(temporary).unlink()
            raise


def read_folder(folder: Path, pass_over: Callable[[Path, str], None] = lambda *_: None) -> Entries:
    """Blocking. `pass_over` is told which files are not used, and why. Raises StoreError."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.startswith(_KEPT))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}") from None
    found = {path.name: _content(path, pass_over) for path in paths}
    return {name: content for name, content in found.items() if content is not None}


def _content(path: Path, pass_over: Callable[[Path, str], None]) -> bytes | None:
    try:
        # A pipe must not keep us waiting, nor a link lead us elsewhere.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            problem = _problem(os.fstat(descriptor))
            if problem is None:
                return file.read()
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}"
    pass_over(path, problem)
    return None


def _problem(found: os.stat_result) -> str | None:
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        return "it is not a file of this user"
    if found.st_mode & 0o077:
        return "others may read or write it (it must have the mode 600)"
    return "it has more than 1 MiB" if found.st_size > _LARGEST else None
