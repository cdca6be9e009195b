"""A cluster's back-up: one archive with its objects, keys and kubeconfig, made while it runs or not."""

import contextlib
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from crossfade_local.data_dir import DataDir

STATE: Final = "state.db"
VOLUMES: Final = "volumes"
# Made anew by each start, of no use without the processes that wrote them, or (volumes) files of any owner and size.
_LEFT_OUT: Final = frozenset({
    "run", "logs", "pods", VOLUMES, STATE, f"{STATE}-wal", f"{STATE}-shm", f"{STATE}-journal",
})  # fmt: skip
_MOST_MEMBERS: Final = 10_000


class BackupError(Exception):
    """It cannot be saved or put back; the text says why and what to do. Nothing was changed."""


def save(directory: DataDir, target: Path) -> str:
    """What of the cluster is not in it, empty for nothing. Raises BackupError.

    The archive holds private keys and Secrets: only its owner may read it.
    """
    state = directory.root / STATE
    if not state.exists():
        raise BackupError(f"there is no cluster in {directory.root}")
    if target.exists():
        raise BackupError(f"{target} exists already; choose another name")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
            copy = Path(folder, STATE)
            _copy_state(state, copy)
            archive = Path(folder, "archive")
            with os.fdopen(os.open(archive, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                with tarfile.open(fileobj=file, mode="w:gz") as tar:
                    for path in _kept(directory.root):
                        tar.add(path, arcname=str(path.relative_to(directory.root)), recursive=False)
                    tar.add(copy, arcname=STATE)
                file.flush()
                os.fsync(file.fileno())
            archive.replace(target)
    except sqlite3.Error as error:
        raise BackupError(f"{state} cannot be read: {error}") from error
    except OSError as error:
        raise BackupError(f"cannot write {target}: {error.strerror or error}") from error
    volumes = directory.root / VOLUMES
    if volumes.is_dir() and any(volumes.iterdir()):
        return f"the files in persistent volumes are not in it: copy {volumes}, which keeps their owners, yourself"
    return ""


def restore(directory: DataDir, source: Path) -> str:
    """Whole or not at all; the directory must be new or empty. Gives nothing to say. Raises BackupError."""
    root = directory.root
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if any(root.iterdir()):
            raise BackupError(f"{root} is not empty; move it away, or choose another --data-dir")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as folder:
            fresh = Path(folder, "data")
            fresh.mkdir(mode=0o700)
            _unpack(source, fresh)
            _check_state(fresh / STATE, source)
            fresh.replace(root)
            return ""
    except (tarfile.TarError, EOFError) as error:
        # What each kind of compression makes of it follows in further lines.
        reason = str(error).partition(":\n")[0]
        raise BackupError(f"{source} is no back-up of a cluster: {reason}") from error
    except OSError as error:
        raise BackupError(f"cannot put back {source}: {error.strerror or error}") from error


def _kept(root: Path) -> Iterator[Path]:
    """Folders before what is in them; sockets and the like are none of it."""
    for top in sorted(root.iterdir()):
        if top.name not in _LEFT_OUT:
            yield from (path for path in (top, *sorted(top.rglob("*"))) if _is_plain(path))


def _is_plain(path: Path) -> bool:
    return not path.is_symlink() and (path.is_dir() or path.is_file())


def _copy_state(state: Path, copy: Path) -> None:
    """As of one moment, whoever writes meanwhile, and complete in one file."""
    copy.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(state)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
        _check_integrity(target)


def _check_state(state: Path, source: Path) -> None:
    if not state.is_file() or not state.stat().st_size:
        raise BackupError(f"{source} is no back-up of a cluster: it has no {STATE}")
    try:
        with contextlib.closing(sqlite3.connect(state)) as connection:
            _check_integrity(connection)
    except sqlite3.Error as error:
        raise BackupError(f"{source} is damaged: {STATE}: {error}") from error


def _check_integrity(connection: sqlite3.Connection) -> None:
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _unpack(source: Path, target: Path) -> None:
    """Plain files and folders below `target` only, readable by their owner only."""
    with tarfile.open(source, "r:*") as tar:
        for number, member in enumerate(tar):
            name = PurePosixPath(member.name)
            if number >= _MOST_MEMBERS or name.is_absolute() or ".." in name.parts:
                raise BackupError(f"{source} is no back-up of a cluster: it has the member {member.name!r}")
            path = target / name
            if member.isdir():
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                continue
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise BackupError(f"{source} is no back-up of a cluster: {member.name!r} is no plain file")
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = 0o600 | (member.mode & 0o044 if path.suffix == ".crt" else 0)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                while data := content.read(1 << 20):
                    file.write(data)
