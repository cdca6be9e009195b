"""What makes a file a cluster's state: its mark, the version of its format, the steps from one version to the next.

A file that is no such state is refused, never written to: an empty one has lost its content, and starting over in
silence would hide that.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

APPLICATION_ID: Final = 0x43724661
"""In the file's header, as SQLite provides for: `file state.db` shows it."""

# Step N leads from version N to N + 1. Databases from before there were versions have 0, and these tables already.
_STEPS: Final = (
    """
    CREATE TABLE IF NOT EXISTS objects (
      bucket TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, data BLOB NOT NULL,
      PRIMARY KEY (bucket, namespace, name)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    """,
    # Secrets are encrypted from here on (`sealed_database.py` does it, with its key): the tables stay.
    "",
)
VERSION: Final = len(_STEPS)
_TABLES: Final = {"objects", "facts"}
_BEYOND_REPAIR: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_WAY_OUT: Final = "put back a back-up, or move it away to start with an empty cluster"


class UnusableStateError(Exception):
    """The file cannot be a cluster's state, and trying again changes nothing; the text says why and what to do."""


def open_state(path: Path) -> sqlite3.Connection:
    """A connection to the state, of the present version; made if there is none. Raises UnusableStateError."""
    if not path.exists():
        _make(path)
    elif not path.stat().st_size:
        raise UnusableStateError(f"{path} cannot be used: it is empty, so its content is lost; {_WAY_OUT}")
    path.chmod(0o600)
    connection = connect(path)
    try:
        with damage_named(path):
            _upgrade(connection, _version_of(connection, path))
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """What SQLite says of damage becomes UnusableStateError; what passes, like a full disk, stays what it is."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BEYOND_REPAIR:
            raise UnusableStateError(f"{path} cannot be used: {error}; {_WAY_OUT}") from error
        raise


def connect(path: Path | str) -> sqlite3.Connection:
    """Changes nothing of the file."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def make_tables(connection: sqlite3.Connection) -> None:
    """In an empty database."""
    _upgrade(connection, 0)


def _make(path: Path) -> None:
    """Appears complete under its name or not at all, so that a file without content is never one of ours."""
    journals = [path.with_name(f"{path.name}-{kind}") for kind in ("wal", "journal")]
    if left := [journal.name for journal in journals if journal.exists() and journal.stat().st_size]:
        raise UnusableStateError(
            f"{path} is missing, but not its journal {left[0]}; put {path.name} back, or move the journal away, too,"
            " to start with an empty cluster"
        )
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    # SQLite gives its companion files the same mode.
    fresh.touch(mode=0o600)
    connection = connect(fresh)
    try:
        make_tables(connection)
    finally:
        connection.close()
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """So that a new name in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some file systems have no such thing.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _version_of(connection: sqlite3.Connection, path: Path) -> int:
    mark: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if mark not in (0, APPLICATION_ID) or not tables >= _TABLES:
        raise UnusableStateError(f"{path} cannot be used: it is a database of another program; {_WAY_OUT}")
    if version > VERSION:
        raise UnusableStateError(
            f"{path} cannot be used: a newer Crossfade has written it (format {version}, this one knows {VERSION});"
            " use that one, or put back a back-up"
        )
    return version


def _upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Each step whole or not at all."""
    for number in range(version, VERSION):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_STEPS[number]}"
                f" PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number + 1}; COMMIT;"
            )
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
