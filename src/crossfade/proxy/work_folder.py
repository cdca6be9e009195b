"""A private temporary folder that outlives its process by no more than the next start. Standard library only."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def work_folder(prefix: str) -> Iterator[Path]:
    """Removed at the end; those of the same prefix and user whose process was killed are removed at the start."""
    with locked_work_folder(prefix) as (folder, _):
        yield folder


@contextmanager
def locked_work_folder(prefix: str) -> Iterator[tuple[Path, int]]:
    """As `work_folder`, with the open folder whose lock keeps others from removing it."""
    parent = Path(tempfile.gettempdir())
    for folder in parent.glob(f"{prefix}*"):
        _remove_if_left(folder)
    folder, lock = _locked_folder(prefix)
    try:
        yield folder, lock
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(prefix: str) -> tuple[Path, int]:
    """The lock ends with this process alone: child processes do not inherit it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        lock = _lock(folder)
        if lock is not None:
            return folder, lock
        # Another process that starts took it for a left one before it was locked.


def _remove_if_left(folder: Path) -> None:
    lock = _lock(folder)
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int | None:
    """None where it is not ours, in use, or gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.exists():
                return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
